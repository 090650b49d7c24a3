// SPDX-License-Identifier: Apache-2.0
// Endpoints that are Unix sockets: requests reach them like any other, and so do failures the operator.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { HttpOrigin } from "../support/http-origin.ts";
import { get } from "../support/messages.ts";
import { defaultAction, endpoint, startProxy } from "../support/proxy-under-test.ts";

const noRetries = { retries: { ...defaultAction.retries, attempts: 0, on: [] } };

/** An origin at a path of its own, which names itself. */
class UnixOrigin implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #server: Server;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "origin.sock");
    this.#server = createServer((_request, response) => response.end("unix"));
  }

  static async start(): Promise<UnixOrigin> {
    const origin = new UnixOrigin(mkdtempSync(join(tmpdir(), "naru-unix-")));
    origin.#server.listen(origin.path);
    await once(origin.#server, "listening");
    return origin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.#folder, { recursive: true });
  }
}

test("an endpoint can be a Unix socket, and its connection is kept", async () => {
  await using origin = await UnixOrigin.start();
  await using proxy = await startProxy();
  proxy.setEndpoints([endpoint(0, { address: origin.path })]);
  await using client = await proxy.connect();
  for (let request = 0; request < 3; request++) {
    client.send(get());
    assert.match(await client.takeThrough("\r\n\r\nunix"), /^HTTP\/1\.1 200 OK\r\n/);
  }
  assert.equal(proxy.accessLog.at(-1)?.upstreamHost, origin.path);
  assert.equal(proxy.accessLog.at(-1)?.upstreamLocalAddress, null);
  const [status] = proxy.cluster().endpoints;
  assert.equal(status?.address, origin.path);
  assert.equal(status?.connectionsTotal, 1);
});

test("Unix sockets and ports are balanced alike", async () => {
  await using origin = await UnixOrigin.start();
  await using other = await HttpOrigin.named("port");
  await using proxy = await startProxy({ cluster: { loadBalancer: "ROUND_ROBIN" } });
  proxy.setEndpoints([endpoint(0, { address: origin.path }), endpoint(other.port)]);
  await using client = await proxy.connect();
  const answers = new Set<string>();
  for (let request = 0; request < 4; request++) {
    client.send(get());
    await client.takeThrough("\r\n\r\n");
    answers.add(await client.takeBytes(4));
  }
  assert.deepEqual([...answers].toSorted(), ["port", "unix"]);
});

test("a Unix socket that is not there is a failed connect", async () => {
  await using proxy = await startProxy({ action: noRetries });
  proxy.setEndpoints([endpoint(0, { address: join(tmpdir(), "naru-unix-nowhere.sock") })]);
  await using client = await proxy.connect();
  client.send(get());
  assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 503 /);
  const { code, flags } = proxy.lastOutcome()!;
  assert.deepEqual([code, flags], [503, "UF"]);
});
