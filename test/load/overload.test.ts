// SPDX-License-Identifier: Apache-2.0
// A process with little memory and clients that make it hold all of it: new requests are refused before it is used up,
// what runs is finished, and when the clients have left it serves again by itself.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { readText } from "../cli/support/workspace.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { get, ok } from "../support/messages.ts";
import { eventually } from "../support/proxy-under-test.ts";
import { connectRaw } from "../support/raw-peer.ts";
import { transportOptions } from "../support/transport-under-test.ts";
import { gatewayYaml, openGatewayFiles, routesYaml, serviceYaml, yamlFile } from "./support/gateway.ts";
import { pause } from "./support/pause.ts";

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const budget = "96Mi";
/** Each is held with 64 KiB of its body: several times the budget. */
const mostClients = 4_000;
/** One connection to the origin, so that everybody but the first waits with what he sent. */
const oneConnection = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: app }
spec: { host: app.example, trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } }
`;

async function startNaru(originPort: number) {
  await using stack = new AsyncDisposableStack();
  const files = stack.use(await openGatewayFiles());
  const routes = routesYaml(new Map([["/", [{ host: "app.example", weight: 100 }]]]));
  const service = serviceYaml("app.example", [originPort]);
  await files.replace("config.yaml", yamlFile(gatewayYaml([80]), routes, service, oneConnection));
  const anyPorts = ["--listen", "80=127.0.0.1:0", "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
  const limits = ["--concurrency", "1", "--limit", `memory=${budget}`];
  const options = [...anyPorts, ...limits, ...transportOptions];
  const child = spawn(process.execPath, [entry, "gateway", files.folder, ...options], {
    stdio: ["ignore", "ignore", "pipe"],
    signal: AbortSignal.timeout(50_000),
    killSignal: "SIGKILL",
  });
  let log = "";
  child.on("error", (error) => (log += error.message));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "close");
  });
  await eventually(() => /gateway is ready/.test(log) || child.exitCode !== null, "it is ready");
  const port = Number(/gateway is ready .*listeners=127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  const stats = Number(/admin=\d+ .*stats=(\d+)/.exec(log)?.[1]);
  const owned = stack.move();
  return {
    port,
    log: () => log,
    async metrics(): Promise<string> {
      const outgoing = request({ host: "127.0.0.1", port: stats, path: "/stats/prometheus", agent: false }).end();
      const [message] = (await once(outgoing, "response")) as [Parameters<typeof readText>[0]];
      return await readText(message);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Clients that send 100 kB of a body and wait. */
class Uploads {
  refused = 0;
  readonly #sockets: Socket[] = [];
  readonly #part = Buffer.alloc(100_000, "b");

  get count(): number {
    return this.#sockets.length;
  }

  begin(port: number): void {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    socket.once("data", () => this.refused++);
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    socket.write(this.#part);
    this.#sockets.push(socket);
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Polls what takes time of its own: a look at the memory a second. */
async function untilMemoryAllows(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let round = 0; !(await condition()); round++) {
    assert.ok(round < 200, what);
    await pause(100);
  }
}

async function ask(port: number): Promise<string> {
  await using client = await connectRaw(port);
  client.send(get("/", "Connection: close\r\n"));
  return await client.takeToEnd();
}

test("memory that is used up sheds new requests, and comes back", { timeout: 55_000 }, async () => {
  const held: Socket[] = [];
  await using origin = await LoadOrigin.start({
    onRequest: (socket) => {
      if (held.length > 0) return "answer";
      held.push(socket);
      return "ignore";
    },
  });
  await using naru = await startNaru(origin.port);
  await using inside = await connectRaw(naru.port);
  inside.send(get("/inside"));
  await eventually(() => held.length === 1, "the first request is with the origin");

  const uploads = new Uploads();
  await untilMemoryAllows(async () => {
    for (let client = 0; client < 50 && uploads.refused === 0 && uploads.count < mostClients; client++) {
      uploads.begin(naru.port);
    }
    return uploads.refused > 0;
  }, `nobody of ${uploads.count} is refused`);
  const reply = await ask(naru.port);
  assert.match(reply, /^HTTP\/1\.1 503 Service Unavailable\r\n.*\r\nconnection: close\r\n\r\noverload$/s);
  const shedding = await naru.metrics();
  assert.match(shedding, /^naru_overloaded 1$/m);
  assert.match(shedding, /^naru_limit_hits_total\{limit="memory"\} [1-9]/m);
  assert.match(shedding, /^istio_requests_total\{.*response_flags="OM".*\} [1-9]/m);
  held[0]!.write(ok("inside"));
  await inside.takeThrough("inside");

  uploads.leave();
  let served = "";
  await untilMemoryAllows(async () => {
    served = await ask(naru.port);
    return served.startsWith("HTTP/1.1 200 ");
  }, `still refused: ${naru.log()}`);
  assert.match(await naru.metrics(), /^naru_overloaded 0$/m);
  assert.match(naru.log(), /memory is nearly used up.*memory is free again/s);
  assert.doesNotMatch(naru.log(), / error /);
});
