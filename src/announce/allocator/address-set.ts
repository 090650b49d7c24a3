// SPDX-License-Identifier: Apache-2.0
// Addresses in use, as disjoint intervals: the lowest free one of a range is found by one binary search, however large
// the range and however much of it is used.

interface Interval {
  first: bigint;
  last: bigint;
}

export class AddressSet {
  /** INVARIANT: ascending, and at least one address lies between two neighbours. */
  readonly #intervals: Interval[] = [];

  has(address: bigint): boolean {
    const interval = this.#intervals[this.#indexAtOrAfter(address)];
    return interval !== undefined && interval.first <= address;
  }

  /** Adds the addresses from `first` to `last`, some of which may be there already. */
  add(first: bigint, last: bigint): void {
    const from = this.#indexAtOrAfter(first - 1n);
    let to = from;
    let interval = this.#intervals[to];
    while (interval !== undefined && interval.first <= last + 1n) {
      if (interval.first < first) first = interval.first;
      if (interval.last > last) last = interval.last;
      interval = this.#intervals[++to];
    }
    // The usual case is one address more at the end of an interval.
    if (to === from + 1) Object.assign(this.#intervals[from]!, { first, last });
    else this.#intervals.splice(from, to - from, { first, last });
  }

  /** The lowest address from `first` to `last` that is not in the set, or null. */
  lowestFree(first: bigint, last: bigint): bigint | null {
    const interval = this.#intervals[this.#indexAtOrAfter(first)];
    if (interval === undefined || interval.first > first) return first;
    // Intervals do not touch, so what follows this one is free.
    return interval.last < last ? interval.last + 1n : null;
  }

  /** Index of the first interval that ends at or after the address. */
  #indexAtOrAfter(address: bigint): number {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#intervals[middle]!.last < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
