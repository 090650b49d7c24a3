// SPDX-License-Identifier: Apache-2.0
// Which addresses of one range are used up, as runs without a gap: a run is found by either of its ends and never searched
// for, so that neither the size of the range nor its use costs anything.

export class RangeUse {
  readonly first: bigint;
  readonly last: bigint;
  readonly #lastOfRun = new Map<bigint, bigint>();
  readonly #firstOfRun = new Map<bigint, bigint>();

  constructor(first: bigint, last: bigint) {
    this.first = first;
    this.last = last;
  }

  /** An address of the range that was free. */
  take(address: bigint): void {
    const first = this.#firstOfRun.get(address - 1n) ?? address;
    const last = this.#lastOfRun.get(address + 1n) ?? address;
    this.#firstOfRun.delete(address - 1n);
    this.#lastOfRun.delete(address + 1n);
    this.#lastOfRun.set(first, last);
    this.#firstOfRun.set(last, first);
  }

  /** null = all are used. */
  lowestFree(): bigint | null {
    const last = this.#lastOfRun.get(this.first);
    const free = last === undefined ? this.first : last + 1n;
    return free <= this.last ? free : null;
  }
}
