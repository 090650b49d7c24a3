// SPDX-License-Identifier: Apache-2.0
// A binary min-heap of small integers that is emptied and refilled for every match without allocating.

/** Single user, synchronous: whoever clears it owns it until done. */
export class IndexHeap {
  readonly #items: number[] = [];
  size = 0;

  clear(): void {
    this.size = 0;
  }

  /** Only when size > 0. */
  get top(): number {
    return this.#items[0]!;
  }

  push(item: number): void {
    const items = this.#items;
    let hole = this.size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = items[parent]!;
      if (above <= item) break;
      items[hole] = above;
      hole = parent;
    }
    items[hole] = item;
  }

  /** Only when size > 0. */
  pop(): void {
    const last = this.#items[--this.size]!;
    if (this.size > 0) this.replaceTop(last);
  }

  /** Takes the top out and puts `item` in. Only when size > 0. */
  replaceTop(item: number): void {
    const items = this.#items;
    const size = this.size;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && items[child + 1]! < items[child]!) child++;
      const below = items[child]!;
      if (below >= item) break;
      items[hole] = below;
      hole = child;
    }
    items[hole] = item;
  }
}
