// SPDX-License-Identifier: Apache-2.0
// What the kernel says about interfaces and addresses, and what it can be told about them.

export { arpHazards, bindAddress, unbindAddress } from "./addresses.ts";
export { readLinks, watchLinks, type LinkAddress, type LinkInfo, type LinkWatch } from "./links.ts";
