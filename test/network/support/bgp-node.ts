// SPDX-License-Identifier: Apache-2.0
// A node that speaks BGP, to be run in a namespace. Says what it logs and does what it is told, as lines of JSON; ends when
// its stdin does, without a word to its peers.

import { networkInterfaces } from "node:os";
import { createInterface } from "node:readline";

import {
  createBgpSpeaker,
  createBgpTransport,
  defaultBgpOptions,
  type BgpPeerConfig,
  type BgpPeerStatus,
  type BgpSpeakerOptions,
} from "../../../src/announce/bgp/index.ts";
import { systemClock } from "../../../src/core/index.ts";
import type { LogFields, Logger, LogLevel } from "../../../src/telemetry/port.ts";

interface Route {
  readonly prefix: string;
  readonly localPref: number | null;
  readonly communities: readonly number[];
  readonly largeCommunities: readonly (readonly [number, number, number])[];
}

/** What it is told. */
export type BgpCommand =
  | { readonly peers: readonly BgpPeerConfig[] }
  | { readonly routes: Readonly<Record<string, readonly Route[]>> }
  | { readonly report: true }
  | { readonly stop: { readonly graceful: boolean } };

/** What it says. */
export type BgpMessage =
  | { readonly ready: readonly number[] }
  | { readonly log: string; readonly level: LogLevel; readonly fields: LogFields }
  | { readonly stopped: true }
  | {
      readonly report: {
        readonly status: readonly BgpPeerStatus[];
        readonly samples: Readonly<Record<string, number>>;
      };
    };

const options = JSON.parse(process.argv[2] ?? "{}") as Partial<BgpSpeakerOptions>;
const log =
  (level: LogLevel) =>
  (message: string, fields: LogFields = {}): void =>
    say({ log: message, level, fields });
const logger: Logger = {
  scope: "bgp",
  enabled: () => true,
  trace: log("trace"),
  debug: log("debug"),
  info: log("info"),
  warning: log("warning"),
  error: log("error"),
  child: () => logger,
};
const speaker = createBgpSpeaker(
  { clock: systemClock, random: Math.random, logger, transport: createBgpTransport(), addresses },
  { ...defaultBgpOptions, node: "node", ...options },
);
say({ ready: speaker.ports });

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as BgpCommand;
  if ("peers" in command) speaker.setPeers(command.peers);
  else if ("routes" in command) speaker.setRoutes(new Map(Object.entries(command.routes)));
  else if ("stop" in command) {
    await speaker.stop(command.stop.graceful);
    say({ stopped: true });
  } else {
    const samples = speaker
      .samples()
      .map(({ name, labels, value }) => [`${name} ${Object.values(labels).join()}`, value]);
    say({ report: { status: speaker.status(), samples: Object.fromEntries(samples) as Record<string, number> } });
  }
}
process.exit(0);

function addresses(): ReadonlyMap<string, readonly string[]> {
  const all = Object.entries(networkInterfaces());
  return new Map(all.map(([name, infos]) => [name, (infos ?? []).map(({ address }) => address)]));
}

function say(message: BgpMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
