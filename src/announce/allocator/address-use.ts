// SPDX-License-Identifier: Apache-2.0
// Who uses an address, and who else may: MetalLB's rules of `allow-shared-ip`.

/** What decides about sharing. */
export interface Sharer {
  /** `namespace/name`. */
  readonly key: string;
  /** "" = shares with nobody. */
  readonly sharingKey: string;
  /** "" for externalTrafficPolicy Cluster, otherwise the selector: traffic that stays local must find the same pods. */
  readonly backendKey: string;
  /** `TCP/80`. */
  readonly ports: readonly string[];
}

/** INVARIANT: all users have the same sharing and backend key, and no port stands twice. */
export class AddressUse {
  readonly #users = new Map<string, Sharer>();
  /** By port. */
  readonly #owners = new Map<string, string>();

  /** Why this service may not use the address, or null. Its own use of it does not count. */
  conflict(sharer: Sharer): string | null {
    // Any other will do: their keys are the same.
    const other = this.#users.values().find(({ key }) => key !== sharer.key);
    const reason = other === undefined ? null : whyNotTogether(other, sharer);
    if (reason !== null) return reason;
    for (const port of sharer.ports) {
      const owner = this.#owners.get(port) ?? sharer.key;
      if (owner !== sharer.key) return `its port ${port} is used by ${owner}`;
    }
    return null;
  }

  add(sharer: Sharer): void {
    this.#users.set(sharer.key, sharer);
    for (const port of sharer.ports) this.#owners.set(port, sharer.key);
  }
}

/** Whatever their ports are. */
function whyNotTogether(user: Sharer, sharer: Sharer): string | null {
  if (user.sharingKey === "" || sharer.sharingKey === "")
    return `it is used by ${user.key}, and not both allow sharing`;
  if (user.sharingKey !== sharer.sharingKey) return `it is used by ${user.key}, whose sharing key is another`;
  if (user.backendKey !== sharer.backendKey) {
    return `it is used by ${user.key}, whose externalTrafficPolicy or selector is another`;
  }
  return null;
}
