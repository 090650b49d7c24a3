// SPDX-License-Identifier: Apache-2.0
// Addresses that services of one sharing key have, by the ports that are still free there: who asks for one does not look at
// all that are of no use to him.

/** Which of the addresses known so far have a port free, ascending; brought up to date when somebody asks for the port. */
interface FreeAddresses {
  /** How many of the addresses it has looked at. */
  seen: number;
  readonly free: bigint[];
}

/** Stands for no port: it is free everywhere. */
const anyPort = "";

export class SharedAddresses {
  /** In the order in which they came. */
  readonly #addresses: bigint[] = [];
  readonly #usedPorts = new Map<bigint, Set<string>>();
  readonly #byPort = new Map<string, FreeAddresses>([[anyPort, { seen: 0, free: [] }]]);

  /** One more service has the address, with ports that are free there. */
  use(address: bigint, ports: readonly string[]): void {
    let used = this.#usedPorts.get(address);
    if (used === undefined) {
      used = new Set();
      this.#usedPorts.set(address, used);
      this.#addresses.push(address);
    }
    for (const port of ports) {
      used.add(port);
      const known = this.#byPort.get(port);
      if (known === undefined) this.#byPort.set(port, { seen: 0, free: [] });
      else remove(known.free, address);
    }
  }

  /** The lowest from `first` to `last` where all these ports are free, or null. */
  lowest(first: bigint, last: bigint, ports: readonly string[]): bigint | null {
    // A port that nobody ever had is free everywhere; of the others the one with the fewest addresses decides where to look.
    const lists = [anyPort, ...ports].map((port) => this.#freeOf(port)).filter((list) => list !== null);
    const fewest = lists.reduce((least, each) => (each.length < least.length ? each : least));
    for (let at = indexAtOrAfter(fewest, first); at < fewest.length; at++) {
      const address = fewest[at]!;
      if (address > last) return null;
      const used = this.#usedPorts.get(address)!;
      if (!ports.some((port) => used.has(port))) return address;
    }
    return null;
  }

  #freeOf(port: string): readonly bigint[] | null {
    const known = this.#byPort.get(port);
    if (known === undefined) return null;
    for (; known.seen < this.#addresses.length; known.seen++) {
      const address = this.#addresses[known.seen]!;
      if (this.#usedPorts.get(address)!.has(port)) continue;
      known.free.splice(indexAtOrAfter(known.free, address), 0, address);
    }
    return known.free;
  }
}

function remove(ascending: bigint[], address: bigint): void {
  const at = indexAtOrAfter(ascending, address);
  if (ascending[at] === address) ascending.splice(at, 1);
}

function indexAtOrAfter(ascending: readonly bigint[], address: bigint): number {
  // Most come in their order.
  if (ascending.length === 0 || ascending.at(-1)! < address) return ascending.length;
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < address) low = middle + 1;
    else high = middle;
  }
  return low;
}
