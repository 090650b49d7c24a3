// SPDX-License-Identifier: Apache-2.0
// Sends ARP requests for one address as fast as it is told, to be run in a namespace:
//
//   arp-storm.ts TARGET-ADDRESS PER-SECOND SECONDS SENDERS
//
// Requests come from so many hardware addresses in turn. Prints that it starts, and at the end how many were sent and for
// how long, as lines of JSON.

import { ip, systemClock } from "../../../src/core/index.ts";
import { openLibc, openPackets, readLinks } from "../../../src/platform/index.ts";

const [target, ...numbers] = process.argv.slice(2);
const [perSecond = 0, seconds = 0, senders = 1] = numbers.map(Number);
const packets = openPackets(systemClock);
const libc = openLibc();
if (typeof packets === "string") throw new Error(packets);
if (typeof libc === "string") throw new Error(libc);
const link = readLinks(libc).find(({ name }) => name === "eth0");
if (link === undefined) throw new Error("no eth0");

const frame = Buffer.from(
  "ffffffffffff020000000000080600010800060400010200000000000a0900630000000000000a090000",
  "hex",
);
frame.writeUInt32BE(Number(ip.parse(target ?? "")?.value), 38);
say({ started: true });
const startMs = performance.now();
let sent = 0;
while (performance.now() < startMs + seconds * 1_000) {
  const due = Math.floor(((performance.now() - startMs) * perSecond) / 1_000);
  for (; sent < due; sent++) {
    const sender = sent % senders;
    for (const at of [8, 24]) frame.writeUInt32BE(sender, at);
    packets.send(link.index, frame, frame.length);
  }
}
say({ sent, seconds: (performance.now() - startMs) / 1_000 });
packets.close();

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
