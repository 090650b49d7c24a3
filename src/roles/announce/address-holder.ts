// SPDX-License-Identifier: Apache-2.0
// Between who announces addresses and who makes them reachable on this machine.

export interface AddressHolder {
  /**
   * These are about to be announced, beside those it holds already. Resolves once they can be reached, null = they can now; never
   * rejects: what cannot be had is said elsewhere.
   */
  hold(addresses: ReadonlySet<string>): Promise<void> | null;
  /** All others are announced no more. */
  keepOnly(addresses: ReadonlySet<string>): void;
}
