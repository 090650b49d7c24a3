// SPDX-License-Identifier: Apache-2.0
// Binds addresses to the loopback interface, or takes them back, to be run in a namespace:
//
//   bind.ts bind|unbind ADDRESS...
//
// Prints what went wrong with each and what the kernel would do by itself, as JSON.

import { arpHazards, bindAddress, openLibc, readLinks, unbindAddress } from "../../../src/platform/index.ts";

const [action, ...addresses] = process.argv.slice(2);
const libc = openLibc();
if (typeof libc === "string") throw new Error(libc);
const links = readLinks(libc);
const loopback = links.find((link) => link.loopback);
if (loopback === undefined) throw new Error("no loopback interface");
const problems = addresses.map((address) =>
  action === "bind" ? bindAddress(libc, loopback.index, address, 300) : unbindAddress(libc, loopback.index, address),
);
const hazards = arpHazards(links.filter((link) => !link.loopback).map(({ name }) => name));
process.stdout.write(JSON.stringify({ problems, hazards }));
