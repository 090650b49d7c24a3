// SPDX-License-Identifier: Apache-2.0
// Between who announces addresses and who makes them reachable on this machine.

export interface AddressHolder {
  /** Why an address must not be announced now, although it is held. */
  readonly unserved: ReadonlyMap<string, string>;
  /**
   * These are about to be announced, beside those it holds already. Resolves once they can be reached, or are among `unserved`;
   * null = it is so now. Never rejects.
   */
  hold(addresses: ReadonlySet<string>): Promise<void> | null;
  /** These are announced now, and no others. What is `unserved` is held on, in case it can be served later. */
  keepOnly(addresses: ReadonlySet<string>): void;
}
