// SPDX-License-Identifier: Apache-2.0
// What naru holds for itself (RssAnon, one thread): idle, with a large configuration, and per idle client connection.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import type { Progress } from "./load/contest.ts";
import { servesAll, writeLargeConfig, type LargeConfig } from "./load/large-config.ts";
import { naruCommand, naruConfig, scrape, type Transport } from "./load/naru.ts";
import { Origin } from "./load/origin.ts";
import { Child, freePort, openFolder, proxyCore } from "./load/processes.ts";
import { figure, markdownTable } from "./load/report.ts";

export interface MemoryFigure {
  readonly what: string;
  /** Right after the first scrape. */
  readonly scrapedMB: number;
  readonly settledMB: number;
  /** The most so far. */
  readonly peakMB: number;
}

export interface MemoryFigures {
  readonly idle: MemoryFigure;
  /** Null when it is the same. */
  readonly idleOnNode: MemoryFigure | null;
  readonly loaded: MemoryFigure;
  readonly connections: MemoryFigure;
  readonly perConnectionKB: number;
}

const large: LargeConfig = { services: 1_000, endpoints: 5_000, routes: 5_000 };
const wantedConnections = 10_000;
/** Of naru, which gives half of its file descriptors to clients. */
const fileLimit = 40_000;
const settleMs = 15_000;
const warmUpRequests = 20_000;
/** Connections that are being opened, or requests that are under way, at a time. */
const width = 64;
const request = "GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n";

/** Of naru on `transport`, and idle on `node` beside it. */
export async function measureMemory(transport: Transport, progress: Progress): Promise<MemoryFigures> {
  await using owned = new AsyncDisposableStack();
  const directory = openFolder(owned);
  const origin = owned.use(await Origin.start(directory));
  const small = join(directory, "small.yaml");
  writeFileSync(small, naruConfig(origin.port));
  progress("memory: idle gateway");
  const idle = await measure({ what: "idle", config: small, transport }, () => Promise.resolve());
  const onNode = { what: "idle, on node", config: small, transport: "node" } as const;
  const idleOnNode = transport === "node" ? null : await measure(onNode, () => Promise.resolve());
  progress("memory: large configuration");
  const folder = join(directory, "large");
  mkdirSync(folder);
  writeLargeConfig(folder, large);
  const { services, endpoints, routes } = large;
  const loadedText = `${services} services, ${endpoints} endpoints, ${routes} routes`;
  const loaded = await measure({ what: loadedText, config: folder, transport }, ({ child }) => {
    if (!servesAll(child.log, large)) throw new Error(`not all of it is served: ${child.log}`);
    return Promise.resolve();
  });
  const connectionCount = possibleConnections();
  progress(`memory: ${connectionCount} idle connections`);
  if (connectionCount < wantedConnections) progress("memory: for more, this process needs more file descriptors");
  let beforeMB = 0;
  await using clients = new AsyncDisposableStack();
  const crowd = { what: `${connectionCount} idle connections`, config: small, transport };
  const connections = await measure(crowd, async ({ port, child }) => {
    // Compiled code and the pools of busy times are no cost of a connection.
    await exchangeOnEach(port, width, warmUpRequests / width, clients);
    await clients.disposeAsync();
    await wait(settleMs);
    beforeMB = child.memory().anonKiB * 0.001_024;
    await using opened = new AsyncDisposableStack();
    await exchangeOnEach(port, connectionCount, 1, opened);
    owned.use(opened.move());
  });
  const perConnectionKB = ((connections.settledMB - beforeMB) * 1_000) / connectionCount;
  return { idle, idleOnNode, loaded, connections, perConnectionKB };
}

export function memoryTable({ idle, idleOnNode, loaded, connections, perConnectionKB }: MemoryFigures): string {
  const rows = [idle, idleOnNode, loaded, connections]
    .filter((row) => row !== null)
    .map(({ what, scrapedMB, settledMB, peakMB }) => [
      what,
      figure(scrapedMB, 1),
      figure(settledMB, 1),
      figure(peakMB, 1),
    ]);
  const table = markdownTable(["RssAnon, one thread", "MB", `MB ${settleMs / 1_000} s later`, "MB at most"], rows);
  return `${table}\n\nAn idle connection takes ${figure(perConnectionKB, 2)} kB.`;
}

interface Measured {
  readonly what: string;
  readonly config: string;
  readonly transport: Transport;
}

interface Running {
  readonly child: Child;
  readonly port: number;
  readonly statsPort: number;
}

/** Every connection is a file here, too, and at most every second one of naru, which keeps some for itself. */
function possibleConnections(): number {
  const own = Number(spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout) || wantedConnections * 4;
  return Math.min(wantedConnections, Math.floor(own * 0.9), Math.floor((mayRaise() ? fileLimit : own) * 0.47));
}

function mayRaise(): boolean {
  return spawnSync("sh", ["-c", `prlimit --nofile=${fileLimit} true`]).status === 0;
}

async function measure(
  { what, config, transport }: Measured,
  use: (naru: Running) => Promise<void>,
): Promise<MemoryFigure> {
  const [port, statsPort] = [await freePort(), await freePort()];
  const raised = mayRaise() ? ["prlimit", `--nofile=${fileLimit}`] : [];
  const command = [
    ...raised,
    ...naruCommand(config, port, ["--stats-port", String(statsPort), "--transport", transport]),
  ];
  await using child = await Child.start("naru", String(proxyCore), port, command);
  await use({ child, port, statsPort });
  await scrape(statsPort);
  const scrapedMB = child.memory().anonKiB * 0.001_024;
  await wait(settleMs);
  const { anonKiB, peakAnonKiB } = child.memory();
  return { what, scrapedMB, settledMB: anonKiB * 0.001_024, peakMB: peakAnonKiB * 0.001_024 };
}

/** Opens connections, a few at a time, and has `requests` answered on each; they stay open until `owner` goes. */
async function exchangeOnEach(
  port: number,
  connections: number,
  requests: number,
  owner: AsyncDisposableStack,
): Promise<void> {
  let opened = 0;
  const lane = async (): Promise<void> => {
    while (opened++ < connections) {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      owner.defer(() => void socket.destroy());
      for (let index = 0; index < requests; index++) await exchange(socket);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, connections) }, lane));
}

async function exchange(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let received = 0;
  let expected = 0;
  const onData = (bytes: Buffer): void => {
    const text = bytes.toString("latin1");
    if (received === 0) expected = text.indexOf("\r\n\r\n") + 4 + 1_024;
    if (received === 0 && !text.startsWith("HTTP/1.1 200")) reject(new Error(text));
    received += bytes.length;
    if (received >= expected) resolve();
  };
  const onClose = (): void => reject(new Error("closed"));
  socket.on("data", onData).on("error", reject).on("close", onClose);
  socket.write(request);
  await promise;
  socket.off("data", onData).off("error", reject).off("close", onClose);
}
