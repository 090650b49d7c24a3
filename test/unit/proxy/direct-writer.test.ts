// SPDX-License-Identifier: Apache-2.0
// Which Node the direct writer knows. What it does is held to the contract of transports (test/transport).

import assert from "node:assert/strict";
import { test } from "node:test";

import { isKnownNode } from "../../../src/proxy/transport/direct-writer.ts";

test("the Node that naru comes with is one whose sockets it writes to past the stream", () => {
  const advice = "read lib/internal/stream_base_commons.js of it, run test/transport with it, then name it";
  assert.ok(isKnownNode, `direct-writer.ts does not know Node ${process.versions.node}: ${advice}`);
});
