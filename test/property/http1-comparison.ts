// SPDX-License-Identifier: Apache-2.0
// One message read by the codec and by Node's strict parser: whatever the codec takes, Node takes with the same method,
// target, header list, body bytes and end. And the codec's outcome does not depend on how the bytes were split.

import assert from "node:assert/strict";
import { METHODS } from "node:http";

import { bytesOf, readRequest, readResponse } from "../unit/proxy/http1/reading.ts";
import { type Fields, readByNodeClient, readByNodeServer } from "./node-peer.ts";

/** True when we took the request; throws when Node reads it differently. `places`: cuts between 0 and 1. */
export async function compareRequest(text: string, places: readonly number[]): Promise<boolean> {
  const bytes = bytesOf(text);
  const ours = readRequest(bytes);
  assert.deepEqual(readRequest(bytes, cutsOf(places, bytes.length)), ours);
  // llhttp knows a closed list of methods; we pass on any token.
  if (ours.outcome !== "accepted" || !METHODS.includes(ours.method)) return false;
  const { messages, error } = await readByNodeServer(bytes.subarray(0, ours.length));
  assert.equal(error, "", JSON.stringify(text));
  assert.equal(messages.length, 1);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.method, theirs.target, theirs.headers, theirs.body, theirs.complete],
    [ours.method, ours.target, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return true;
}

/** True when we took the response to a `verb` request; throws when Node reads it differently. */
export async function compareResponse(text: string, places: readonly number[], verb: string): Promise<boolean> {
  const bytes = bytesOf(text);
  const ours = readResponse(bytes, [], verb, true);
  assert.deepEqual(readResponse(bytes, cutsOf(places, bytes.length), verb, true), ours);
  if (ours.outcome !== "accepted" || ours.statusCode < 200) return false;
  const { messages, error } = await readByNodeClient(bytes.subarray(0, ours.length), verb);
  assert.equal(messages.length, 1, `${error} ${JSON.stringify(text)}`);
  const theirs = messages[0]!;
  assert.deepEqual(
    [theirs.statusCode, theirs.headers, theirs.body, theirs.complete],
    [ours.statusCode, ours.headers, ours.body, true],
  );
  assertTrailers(ours.trailers, theirs.trailers);
  return true;
}

/** Every trailer we pass on is one that Node saw. */
function assertTrailers(ours: string, theirs: Fields): void {
  const seen = new Set(theirs.map(([name, value]) => `${name}: ${value}`));
  for (const field of ours.split("\r\n").slice(0, -1)) assert.ok(seen.has(field), field);
}

function cutsOf(places: readonly number[], length: number): number[] {
  return places.map((place) => Math.floor(place * length)).sort((a, b) => a - b);
}
