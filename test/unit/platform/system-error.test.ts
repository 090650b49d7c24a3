// SPDX-License-Identifier: Apache-2.0
// Errors of the system read as Node's own.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { test } from "node:test";

import { systemError } from "../../../src/platform/system-error.ts";

function facts(error: Error): object {
  return Object.fromEntries([...Object.entries(error), ["message", error.message]]);
}

test("a refused connect is worded as by node:net", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const [error] = (await once(connect(port, "127.0.0.1"), "error").catch((reason: unknown) => [reason])) as [Error];
  assert.deepEqual(facts(systemError("connect", -111, { address: "127.0.0.1", port })), facts(error));
});

test("an address in use is worded as by node:net", async () => {
  const first = createServer().listen(0, "127.0.0.1");
  await once(first, "listening");
  const { port } = first.address() as AddressInfo;
  const second = createServer().listen(port, "127.0.0.1");
  const [error] = (await once(second, "error").catch((reason: unknown) => [reason])) as [Error];
  first.close();
  assert.deepEqual(facts(systemError("listen", -98, { address: "127.0.0.1", port })), facts(error));
});

test("an error without an address, and one that nobody has a name for", () => {
  const error = systemError("read", -104);
  assert.deepEqual(facts(error), { message: "read ECONNRESET", code: "ECONNRESET", errno: -104, syscall: "read" });
  assert.equal(systemError("read", -2_000).code, "E2000");
});
