// SPDX-License-Identifier: Apache-2.0
// Runs in a child with --expose-gc: a data plane under load, what it keeps of it printed as one line of JSON.

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

import { lostRequests, startLoad } from "../../support/load.ts";
import { LoadOrigin } from "../../support/load-origin.ts";
import { eventually, startProxy } from "../../support/proxy-under-test.ts";

export interface MemoryReport {
  readonly lost: Readonly<Record<string, number>>;
  readonly answered: number;
  readonly heapBytesBefore: number;
  readonly heapBytesAfter: number;
  readonly exchangesActive: number;
  readonly upstreamConnections: number;
  readonly idleBytesPerConnection: number;
}

const idleConnections = 1_000;

if (process.argv[2] === "run") process.stdout.write(`${JSON.stringify(await measure(Number(process.argv[3])))}\n`);

async function measure(requests: number): Promise<MemoryReport> {
  await using origin = await LoadOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const run = async (count: number) => {
    await using load = startLoad({ port: () => proxy.port, connections: 16, requestsEach: Math.ceil(count / 16) });
    const result = await load.finished();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the clients are gone");
    // The test's own records are no part of what naru keeps.
    proxy.exchanges.length = 0;
    proxy.accessLog.length = 0;
    origin.forget();
    return result;
  };
  await run(160);
  // First of all: memory that a load has left free would pay for the connections.
  const idleBytesPerConnection = await measureIdle(
    () => proxy.port,
    () => proxy.sample("naru_downstream_connections_active"),
  );
  await run(4_000);
  const heapBytesBefore = heapBytes();
  const result = await run(requests);
  const heapBytesAfter = heapBytes();
  const upstreamConnections = proxy.cluster().connectionsActive;
  const exchangesActive = proxy.sample("naru_exchanges_active");
  return {
    lost: lostRequests(result),
    answered: result.answered,
    heapBytesBefore,
    heapBytesAfter,
    exchangesActive,
    upstreamConnections,
    idleBytesPerConnection,
  };
}

/** Both ends live in this process, so this is what a connection costs naru and its client together. */
async function measureIdle(port: () => number, open: () => number): Promise<number> {
  heapBytes();
  const before = privateBytes();
  const sockets: Socket[] = [];
  for (let index = 0; index < idleConnections; index++) sockets.push(connect({ port: port(), host: "127.0.0.1" }));
  await eventually(() => open() === idleConnections, "all are connected");
  heapBytes();
  const cost = (privateBytes() - before) / idleConnections;
  for (const socket of sockets) socket.destroy();
  await eventually(() => open() === 0, "all are gone");
  return cost;
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run it with --expose-gc");
  for (let round = 0; round < 3; round++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** RssAnon: what is this process's alone. */
function privateBytes(): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
