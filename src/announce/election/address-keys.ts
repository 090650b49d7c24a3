// SPDX-License-Identifier: Apache-2.0
// What addresses are ranked by. Both addresses of a dual-stack service go to one node where they can, and an address that
// services share has one key whoever asks, or two nodes would announce it.

/**
 * The key of every address: the first one, in the order given, of all that hang together by services. For a service on its
 * own that is its first address, as in MetalLB.
 */
export function addressKeys(services: readonly (readonly string[])[]): ReadonlyMap<string, string> {
  const parents = new Map<string, string>();
  const order = new Map<string, number>();
  const rootOf = (address: string): string => {
    let root = address;
    for (let parent = parents.get(root)!; parent !== root; parent = parents.get(root)!) root = parent;
    parents.set(address, root);
    return root;
  };
  for (const addresses of services) {
    for (const address of addresses) {
      if (!parents.has(address)) {
        order.set(address, order.size);
        parents.set(address, address);
      }
      const [one, other] = [rootOf(addresses[0]!), rootOf(address)];
      // The earlier one stays the root, so that the key is the first address of all.
      if (order.get(one)! <= order.get(other)!) parents.set(other, one);
      else parents.set(one, other);
    }
  }
  return new Map([...parents.keys()].map((address) => [address, rootOf(address)]));
}
