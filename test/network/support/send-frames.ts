// SPDX-License-Identifier: Apache-2.0
// Sends whole frames, given as hexadecimal digits, by eth0; to be run in a namespace.

import { systemClock } from "../../../src/core/index.ts";
import { openLibc, openPackets, readLinks } from "../../../src/platform/index.ts";

const packets = openPackets(systemClock);
const libc = openLibc();
if (typeof packets === "string") throw new Error(packets);
if (typeof libc === "string") throw new Error(libc);
const link = readLinks(libc).find(({ name }) => name === "eth0");
for (const digits of process.argv.slice(2)) {
  const frame = Buffer.from(digits, "hex");
  if (link === undefined || !packets.send(link.index, frame, frame.length)) throw new Error("not sent");
}
packets.close();
