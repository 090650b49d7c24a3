// SPDX-License-Identifier: Apache-2.0
// A list of addresses of another node, put together from the parts that its heartbeats carry.

import type { AddressLists, AddressPart } from "./heartbeat.ts";

export class AddressList {
  #revision = -1;
  #parts: (readonly string[] | null)[] = [];
  /** What was known of the revision before; stands in until the parts are all there. */
  #before: ReadonlySet<string> = new Set();
  #addresses: ReadonlySet<string> = new Set();

  get addresses(): ReadonlySet<string> {
    return this.#addresses;
  }

  /** Whether the addresses are others than before. Parts must come in order of time. */
  take({ revision, part, parts }: Omit<AddressPart, keyof AddressLists>, addresses: readonly string[]): boolean {
    if (revision !== this.#revision || parts !== this.#parts.length) {
      this.#revision = revision;
      this.#before = this.#addresses;
      this.#parts = Array.from({ length: parts }, () => null);
    }
    if (this.#parts[part] !== null) return false;
    this.#parts[part] = addresses;
    const known = new Set(this.#parts.flatMap((each) => each ?? []));
    const isComplete = !this.#parts.includes(null);
    const now = isComplete ? known : known.union(this.#before);
    const isOther = now.size !== this.#addresses.size || !now.isSubsetOf(this.#addresses);
    this.#addresses = now;
    return isOther;
  }
}
