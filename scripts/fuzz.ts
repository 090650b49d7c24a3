// SPDX-License-Identifier: Apache-2.0
// Compares the HTTP/1.1 codec with Node's parser on random messages, and answers to ARP and neighbor discovery with a second
// reading of the RFCs on random frames, reads heartbeats and BGP messages that were damaged, and drives BGP sessions through
// random histories, until a difference is found or the time is over.
//
//   npm run fuzz -- [--seconds N] [--seed N]
//
// Without --seconds it never ends. A difference is printed in its smallest form, with the seed that finds it again, and
// the exit code is 1. What was found becomes a case in test/property/http1-cases.ts, or one of test/unit/announce.

import { parseArgs } from "node:util";

import * as fc from "fast-check";

import { announcements, damagedStreams, noise, opens } from "../test/property/bgp-messages.ts";
import { sessions, tables } from "../test/property/bgp-sessions.ts";
import { damagedHeartbeats, intactHeartbeats } from "../test/property/heartbeat-properties.ts";
import { compareRequest, compareResponse } from "../test/property/http1-comparison.ts";
import { cuts, edited, edits, request, response } from "../test/property/http1-messages.ts";
import { compareFrame } from "../test/property/layer2-comparison.ts";
import { frames } from "../test/property/layer2-frames.ts";

/** Between two looks at the clock; also what a printed seed covers. */
const runsPerSeed = 2_000;

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = wholeNumber("--seconds", values.seconds, Number.POSITIVE_INFINITY);
const onlySeed = values.seed === undefined ? null : wholeNumber("--seed", values.seed, 0);

let taken = 0;
const properties = {
  requests: fc.asyncProperty(request, edits, cuts, async (text, changes, places) => {
    if ((await compareRequest(edited(text, changes), places)) === "same") taken++;
  }),
  responses: fc.asyncProperty(response, edits, cuts, fc.boolean(), async (text, changes, places, isHead) => {
    if ((await compareResponse(edited(text, changes), places, isHead ? "HEAD" : "GET")) === "same") taken++;
  }),
  frames: fc.asyncProperty(frames, async (frame) => {
    if (compareFrame(frame)) taken++;
  }),
  intactHeartbeats,
  damagedHeartbeats,
  opens,
  announcements,
  damagedStreams,
  noise,
  sessions,
  tables,
};

const startMs = performance.now();
const passedSeconds = (): number => (performance.now() - startMs) / 1_000;
let messages = 0;
let reportedSeconds = 0;
do {
  const seed = onlySeed ?? Math.floor(Math.random() * 2 ** 31);
  for (const [name, property] of Object.entries(properties)) {
    const details = await fc.check<unknown>(property as fc.IAsyncProperty<unknown>, { numRuns: runsPerSeed, seed });
    messages += details.numRuns;
    if (!details.failed) continue;
    console.error(
      `${name} differ; again with: npm run fuzz -- --seed ${seed}\n${fc.defaultReportMessage(details) ?? ""}`,
    );
    process.exit(1);
  }
  if (passedSeconds() >= reportedSeconds + 10) {
    reportedSeconds = passedSeconds();
    console.log(summary());
  }
} while (onlySeed === null && passedSeconds() < seconds);
console.log(summary());

function summary(): string {
  const perSecond = Math.round(messages / passedSeconds());
  return `${messages} messages, ${taken} of them taken, ${perSecond} a second, no difference`;
}

function wholeNumber(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^[0-9]+$/.test(text)) return Number(text);
  console.error(`${option} needs a whole number, not "${text}"`);
  process.exit(2);
}
