// SPDX-License-Identifier: Apache-2.0
// Random requests, half of them damaged, cut anywhere, over real sockets: what the codec takes for one request reaches the
// origin as that request or is turned down, what it does not take never does, and nobody else is harmed. The codec
// itself is compared with Node's in test/property/http1-differential.test.ts; here it is the transport that cuts.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { cuts, edited, edits, request } from "../property/http1-messages.ts";
import type { RawPeer } from "../support/raw-peer.ts";
import { bytesOf, readRequest } from "../unit/proxy/http1/reading.ts";
import { Arena, sendInPieces } from "./support/arena.ts";

const batches = 4;
const runsPerBatch = 300;
const leadingLines = /^(?:\r\n)*/;
const interim = /^HTTP\/1\.1 100 [^\r]*\r\n\r\n/;

for (let batch = 1; batch <= batches; batch++) {
  test(`random requests reach the origin as they were read, or not at all, ${batch} of ${batches}`, async () => {
    await using arena = await Arena.start();
    const outcomes = new Map<string, number>();
    const property = fc.asyncProperty(request, edits, cuts, async (text, changes, places) => {
      const outcome = await ask(arena, edited(text, changes), places ?? [0.5]);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });
    await fc.assert(property, { numRuns: runsPerBatch });
    // A run in which nothing passed, or everything, has shown nothing.
    assert.ok((outcomes.get("forwarded") ?? 0) >= 5, JSON.stringify([...outcomes]));
    assert.ok((outcomes.get("turned down") ?? 0) >= 5, JSON.stringify([...outcomes]));
  });
}

/** The head of the answer, or all that came when the connection ends without one. */
async function answerTo(client: RawPeer, outcome: "accepted" | "refused" | "incomplete"): Promise<string> {
  if (outcome === "incomplete") client.finish();
  if (outcome !== "accepted") return (await client.takeToEnd()).replace(interim, "");
  const first = await client.takeThrough("\r\n\r\n");
  return interim.test(first) ? await client.takeThrough("\r\n\r\n") : first;
}

/** One client that sends `text` and is answered or not. */
async function ask(arena: Arena, text: string, places: readonly number[]): Promise<string> {
  const name = JSON.stringify(text);
  // The connection skips empty lines before a request; the codec does not see them.
  const skipped = leadingLines.exec(text)![0].length;
  const read = readRequest(bytesOf(text.slice(skipped)));
  const payload = read.outcome === "accepted" ? text.slice(0, skipped + read.length) : text;
  const before = arena.origin.requests.length;
  await using client = await arena.proxy.connect();
  const offsets = places.map((place) => Math.floor(place * payload.length)).toSorted((a, b) => a - b);
  await sendInPieces(client, payload, offsets);
  const answer = await answerTo(client, read.outcome);
  await arena.assertUnharmed(name);
  // The bystander's is the last one.
  const seen = arena.origin.requests.slice(before, -1);
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
  if (status === 200) {
    assert.equal(read.outcome, "accepted", name);
    assert.deepEqual(
      seen.map(({ method, body }) => [method, body]),
      [[read.method, read.body]],
      name,
    );
    return "forwarded";
  }
  assert.deepEqual(seen, [], `${status} for ${name}`);
  if (status === 0) assert.equal(answer, "", name);
  else assert.ok(status >= 300, `${status} for ${name}`);
  assert.ok(status !== 0 || read.outcome === "incomplete", `no answer to ${name}`);
  return status === 0 ? "incomplete" : "turned down";
}
