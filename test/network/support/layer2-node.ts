// SPDX-License-Identifier: Apache-2.0
// A node that announces in layer 2, to be run in a namespace. Says what happens and does what it is told, as lines of JSON;
// ends when its stdin does.

import { createInterface } from "node:readline";

import {
  createLayer2,
  defaultLayer2Options,
  type Layer2Announcement,
  type Layer2Options,
} from "../../../src/announce/layer2/index.ts";
import { systemClock } from "../../../src/core/index.ts";
import { openLibc, openPackets, watchLinks } from "../../../src/platform/index.ts";
import { silentLogger } from "../../support/silent-logger.ts";

/** What it is told. */
export type Layer2Command = { readonly set: readonly Layer2Announcement[] } | { readonly report: true };

/** What it says. */
export type Layer2Message =
  | { readonly ready: true }
  | { readonly done: true }
  | { readonly conflict: { readonly ip: string; readonly mac: string; readonly action: string } }
  | { readonly links: readonly string[] }
  | {
      readonly report: {
        readonly status: readonly {
          readonly ip: string;
          readonly phase: string;
          readonly interfaces: readonly string[];
        }[];
        readonly samples: readonly (readonly [name: string, label: string, value: number])[];
        readonly cpuMs: number;
        readonly rssBytes: number;
      };
    };

const options = JSON.parse(process.argv[2] ?? "{}") as Partial<Layer2Options>;
const packets = openPackets(systemClock);
const libc = openLibc();
if (typeof packets === "string") throw new Error(packets);
if (typeof libc === "string") throw new Error(libc);
const layer2 = createLayer2(
  {
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
    packets,
    onConflict: (conflict) => say({ conflict }),
  },
  { ...defaultLayer2Options, ...options },
);
const watch = watchLinks(libc, systemClock, (links) => {
  layer2.setLinks(links);
  say({ links: links.map(({ name, mac, up, running }) => `${name} ${mac} ${up} ${running}`) });
});
layer2.setLinks(watch.links);
say({ ready: true });

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Layer2Command;
  if ("set" in command) {
    layer2.set(command.set);
    say({ done: true });
  } else {
    const { user, system } = process.cpuUsage();
    say({
      report: {
        status: layer2.status(),
        samples: layer2.samples().map(({ name, labels, value }) => [name, Object.values(labels).join(), value]),
        cpuMs: (user + system) / 1_000,
        rssBytes: process.memoryUsage.rss(),
      },
    });
  }
}
await layer2.stop();
watch.close();
packets.close();

function say(message: Layer2Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
