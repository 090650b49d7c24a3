// SPDX-License-Identifier: Apache-2.0
// Properties of the heartbeat codec, for the tests and for `npm run fuzz`.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

import * as fc from "fast-check";
import { encodeHeartbeat, maxHeartbeatBytes, readHeartbeat } from "../../src/announce/membership/heartbeat.ts";
import { testKey } from "../unit/announce/membership/cluster.ts";
import { anyHeartbeat } from "../unit/announce/membership/heartbeats.ts";

/** What is sent is what arrives. */
export const intactHeartbeats: fc.IProperty<[unknown]> = fc.property(anyHeartbeat, (beat) => {
  const bytes = encodeHeartbeat(beat, testKey);
  assert.ok(bytes.length <= maxHeartbeatBytes, `${bytes.length} bytes`);
  assert.deepEqual(readHeartbeat(bytes, [testKey]), beat);
});

const edit = fc.record({ at: fc.nat(1_200), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) });

/** Heartbeats that were edited and signed anew, as by a node that has the key and a bug. */
export const damagedHeartbeats: fc.IProperty<[unknown, unknown]> = fc.property(
  anyHeartbeat,
  fc.array(edit, { maxLength: 3 }),
  (beat, edits) => {
    let bytes = encodeHeartbeat(beat, testKey).subarray(0, -32);
    for (const { at, remove, insert } of edits) {
      const from = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
    }
    const packet = Buffer.concat([bytes, createHmac("sha256", testKey).update(bytes).digest()]);
    const read = readHeartbeat(packet, [testKey]);
    if (typeof read === "string") assert.ok(read === "malformed" || read === "version", read);
    else assert.deepEqual(encodeHeartbeat(read, testKey), packet);
  },
);
