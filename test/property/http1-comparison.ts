// SPDX-License-Identifier: Apache-2.0
// One message read by the codec and by Node's strict parser: whatever the codec takes, Node takes with the same method,
// target, header list, body bytes and end. And the codec's outcome does not depend on how the bytes were split.

import assert from "node:assert/strict";
import { METHODS } from "node:http";

import { allCuts, bytesOf, readRequest, readResponse, type BodyReading } from "../unit/proxy/http1/reading.ts";
import { type Fields, readByNodeClient, readByNodeServer } from "./node-peer.ts";

/** Cuts as places between 0 and 1; null = at every place in turn, and everywhere at once. */
export type Places = readonly number[] | null;

/** What became of one message: Node took it like us, we refused it (why), or there was nothing to compare. */
export type Comparison = "same" | "not compared" | `refused: ${string}`;

/** Throws when Node reads a request that we take differently, or when we do at some split. */
export async function compareRequest(text: string, places: Places): Promise<Comparison> {
  const bytes = bytesOf(text);
  const ours = readRequest(bytes);
  for (const cuts of cutsOf(places, bytes.length)) assert.deepEqual(readRequest(bytes, cuts), ours);
  // llhttp knows a closed list of methods; we pass on any token.
  if (ours.outcome !== "accepted" || !METHODS.includes(ours.method)) return withoutNode(ours);
  const { messages, error } = await readByNodeServer(bytes.subarray(0, ours.length));
  assert.equal(error, "", JSON.stringify(text));
  assert.equal(messages.length, 1);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.method, theirs.target, theirs.headers, theirs.body, theirs.complete],
    [ours.method, ours.target, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return "same";
}

/** The same for a response to a `verb` request. */
export async function compareResponse(text: string, places: Places, verb: string): Promise<Comparison> {
  const bytes = bytesOf(text);
  const ours = readResponse(bytes, [], verb, true);
  for (const cuts of cutsOf(places, bytes.length)) assert.deepEqual(readResponse(bytes, cuts, verb, true), ours);
  if (ours.outcome !== "accepted" || ours.statusCode < 200) return withoutNode(ours);
  const { messages, error } = await readByNodeClient(bytes.subarray(0, ours.length), verb);
  assert.equal(messages.length, 1, `${error} ${JSON.stringify(text)}`);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.statusCode, theirs.headers, theirs.body, theirs.complete],
    [ours.statusCode, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return "same";
}

function withoutNode({ outcome, reason }: BodyReading): Comparison {
  return outcome === "refused" ? `refused: ${reason}` : "not compared";
}

/** Every trailer we pass on is one that Node saw. */
function assertTrailers(ours: string, theirs: Fields): void {
  const seen = new Set(theirs.map(([name, value]) => `${name}: ${value}`));
  for (const field of ours.split("\r\n").slice(0, -1)) assert.ok(seen.has(field), field);
}

function cutsOf(places: Places, length: number): number[][] {
  if (places === null) return allCuts(length);
  return [places.map((place) => Math.floor(place * length)).sort((a, b) => a - b)];
}
