// SPDX-License-Identifier: Apache-2.0
// --transport: what runs, why, and where an operator sees it; what happens where it cannot.

import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { exitCodes } from "../../src/cli/index.ts";
import { systemClock } from "../../src/core/index.ts";
import { probeUring } from "../../src/platform/index.ts";
import type { createUringTransport } from "../../src/proxy/index.ts";
import { chooseTransport, createTransport, type TransportOptions } from "../../src/roles/transport-choice.ts";
import { createLogger } from "../../src/telemetry/index.ts";
import { connectRaw } from "../support/raw-peer.ts";
import { requireTransport } from "../support/requires.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { transportKinds } from "../support/transport-under-test.ts";
import { runNaru, startNaru } from "./support/run-naru.ts";
import { gatewayYaml, openWorkspace, startOrigin } from "./support/workspace.ts";

const anyPorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
const wanting = (wanted: TransportOptions["wanted"]): TransportOptions => ({
  wanted,
  uringBufferBytes: 2 ** 20,
  uringCoalesces: true,
  uringCheck: false,
});
const forbidden = () => ({ available: false, reason: "kernel.io_uring_disabled is 2" }) as const;

for (const kind of transportKinds) {
  for (const concurrency of ["1", "2"]) {
    test(`--transport ${kind.name} with ${concurrency} threads serves, and says so everywhere`, async (t) => {
      if (!requireTransport(t, kind)) return;
      await using origin = await startOrigin((_request, response) => void response.end("hello"));
      await using workspace = await openWorkspace();
      await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
      const ports = ["--listen", "80=127.0.0.1:0", "--mesh-port", "0", ...anyPorts];
      const transport = ["--transport", kind.name, "--uring-buffers", "1Mi", "--concurrency", concurrency];
      await using naru = startNaru(["up", "-f", workspace.folder, ...ports, ...transport]);
      const [, admin] = await naru.waitFor("stdout", /(http:\S+)\s+admin pages/);
      const [, stats] = await naru.waitFor("stdout", /(http:\S+)stats\/prometheus/);
      const [, gateway] = await naru.waitFor("stdout", /(http:\S+)\s+gateway port/);
      await naru.waitFor("stderr", new RegExp(`transport chosen.*transport=${kind.name}.*reason="asked for"`));
      const request = { headers: { host: "shop.example", connection: "close" } };
      const [response] = (await once(get(`${gateway}shop/cart`, request), "response")) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      assert.equal(await text(response), "hello");
      const dump = (await (await fetch(`${admin}config_dump`)).json()) as { readonly transport: unknown };
      assert.deepEqual(dump.transport, { name: kind.name, reason: "asked for" });
      const metrics = await (await fetch(`${stats}stats/prometheus`)).text();
      assert.match(
        metrics,
        new RegExp(`^naru_transport_info\\{transport="${kind.name}",reason="asked for"\\} 1$`, "m"),
      );
      assert.match(metrics, new RegExp(`^naru_transport_threads\\{transport="${kind.name}"\\} ${concurrency}$`, "m"));
      const limit = /^naru_uring_buffer_limit_bytes\{buffers="messages"\} (\d+)$/m.exec(metrics)?.[1];
      assert.equal(limit, kind.name === "uring" ? String(Number(concurrency) * 2 ** 19) : undefined, "of all threads");
      if (concurrency === "2") await assertBothGetClients(Number(new URL(gateway!).port), stats!);
      naru.process.kill("SIGINT");
      const { code, stderr } = await naru.ended;
      assert.equal(code, 0, stderr);
    });
  }
}

test("--transport auto is what this machine can do, and says so", async () => {
  await using workspace = await openWorkspace();
  await workspace.write("shop.yaml", gatewayYaml(1, "/shop"));
  const ports = ["--listen", "80=127.0.0.1:0", ...anyPorts];
  await using naru = startNaru(["gateway", "-f", workspace.folder, ...ports, "--transport", "auto"]);
  const [, admin] = await naru.waitFor("stderr", /admin pages are up {2}admin=(\d+)/);
  const dump = (await (await fetch(`http://127.0.0.1:${admin}/config_dump`)).json()) as { readonly transport: unknown };
  const answer = probeUring();
  const expected = answer.available
    ? { name: "uring", reason: "io_uring is available" }
    : { name: "node", reason: answer.reason };
  assert.deepEqual(dump.transport, expected);
  naru.process.kill("SIGINT");
  const { code, stderr } = await naru.ended;
  assert.equal(code, 0, stderr);
});

/** The kernel spreads connections by their ports, so that of many no worker gets none. */
async function assertBothGetClients(port: number, stats: string): Promise<void> {
  await using clients = new AsyncDisposableStack();
  for (let round = 0; round < 25; round++) {
    for (let count = 0; count < 8; count++) clients.use(await connectRaw(port));
    const metrics = await (await fetch(`${stats}stats/prometheus`)).text();
    const active = metrics.matchAll(/^naru_worker_connections_active\{worker="\d"\} (\d+)$/gm);
    const counts = Array.from(active, ([, value]) => Number(value));
    assert.equal(counts.length, 2);
    if (counts.every((each) => each > 0)) return;
  }
  assert.fail("one worker gets all connections");
}

test("auto takes io_uring where it can be had, and never fails: elsewhere it is node, and says why", () => {
  const there = chooseTransport(wanting("auto"), () => ({ available: true }));
  assert.deepEqual([there.name, there.reason], ["uring", "io_uring is available"]);
  const elsewhere = chooseTransport(wanting("auto"), forbidden);
  assert.deepEqual([elsewhere.name, elsewhere.reason], ["node", "kernel.io_uring_disabled is 2"]);
});

test("what is asked for is taken, and nothing is probed for node", () => {
  assert.equal(chooseTransport(wanting("uring"), () => ({ available: true })).name, "uring");
  const { name } = chooseTransport(wanting("node"), () => assert.fail("probed"));
  assert.equal(name, "node");
});

test("io_uring that was asked for and cannot be had is an error that says what to do", () => {
  assert.throws(() => chooseTransport(wanting("uring"), forbidden), {
    name: "CliError",
    exitCode: exitCodes.failure,
    message: "--transport uring is not possible here: kernel.io_uring_disabled is 2",
    hint: /--transport node/,
  });
});

test("what the options say of io_uring reaches the threads", () => {
  const said: unknown[] = [];
  const open: typeof createUringTransport = (_deps, options) => {
    said.push(options);
    throw new Error("that will do");
  };
  const choice = { ...wanting("auto"), name: "uring", reason: "io_uring is available" } as const;
  createTransport(choice, silentLogger, null, open);
  createTransport({ ...choice, uringCoalesces: false }, silentLogger, null, open);
  const expected = { bufferBytes: 2 ** 20, coalesces: true, check: false };
  assert.deepEqual(said, [expected, { ...expected, coalesces: false }]);
});

test("where io_uring turns out not to work, auto goes on without it, and what was asked for is an error", async () => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    colour: false,
    write: (line) => lines.push(line),
    clock: systemClock,
  });
  const fail = () => {
    throw new Error("mmap: ENOMEM");
  };
  const found = { name: "uring", reason: "io_uring is available" } as const;
  const { transport, choice } = createTransport({ ...wanting("auto"), ...found }, logger, null, fail);
  assert.equal(transport.name, "node");
  assert.deepEqual([choice.name, choice.reason], ["node", "mmap: ENOMEM"], "and what is shown is what runs");
  await transport.close();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /warning .*io_uring cannot be used after all .*ENOMEM/);
  assert.throws(() => createTransport({ ...wanting("uring"), ...found }, logger, null, fail), {
    name: "CliError",
    message: "--transport uring is not possible here: mmap: ENOMEM",
  });
});

test("nonsense is refused", async () => {
  for (const [args, message] of [
    [["--transport", "epoll"], /--transport epoll: must be one of auto, uring, node/],
    [["--uring-buffers", "1Ki"], /--uring-buffers 1Ki: must be bytes from 1Mi to 512Mi/],
    [["--uring-coalesce", "1"], /--uring-coalesce 1: must be one of on, off/],
    [["--uring-buffers", "many"], /--uring-buffers many: must be bytes/],
  ] as const) {
    const { code, stderr } = await runNaru(["gateway", "-f", "bookinfo", ...args]);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
});
