// SPDX-License-Identifier: Apache-2.0
// A client that asks without pause until its stdin ends, for tests of what is lost when an address moves: some connections that
// are kept as long as they last, each with one request at a time, and beside them a new connection every few milliseconds. Each
// request is a line on stdout when its outcome is known. Nothing is tried again.
//
//   node http-load.ts '{"address": …, "kept": …, "freshEveryMs": …, "requests": […]}'

import { Agent, get } from "node:http";
import { setTimeout as after } from "node:timers/promises";

export interface LoadPlan {
  readonly address: string;
  /** Connections that are kept. */
  readonly kept: number;
  readonly freshEveryMs: number;
  /** Asked in turn. */
  readonly requests: readonly PlannedRequest[];
}

export interface PlannedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Part of a right answer. */
  readonly expected: string;
}

export interface LoadRecord {
  /** CLOCK_MONOTONIC, in milliseconds, when it was sent and when its outcome was known. */
  readonly startMs: number;
  readonly endMs: number;
  /** null = a right answer. */
  readonly failure: string | null;
  readonly fresh: boolean;
}

const timeoutMs = 5_000;
const plan = JSON.parse(process.argv[2] ?? "") as LoadPlan;
let asked = 0;
let isOver = false;

/** Resolves with whether there was a right answer. */
async function ask(agent: Agent | false): Promise<boolean> {
  const { path, headers, expected } = plan.requests[asked++ % plan.requests.length]!;
  const startMs = nowMs();
  const failure = await outcome(path, headers, expected, agent);
  const record: LoadRecord = { startMs, endMs: nowMs(), failure, fresh: agent === false };
  process.stdout.write(`${JSON.stringify(record)}\n`);
  return failure === null;
}

function outcome(
  path: string,
  headers: PlannedRequest["headers"],
  expected: string,
  agent: Agent | false,
): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get({ host: plan.address, path, headers, agent, signal: AbortSignal.timeout(timeoutMs) });
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
      response.once("end", () => {
        const isRight = response.statusCode === 200 && text.includes(expected);
        resolve(isRight ? null : `status ${response.statusCode}, without ${expected}: ${text.slice(0, 200)}`);
      });
    });
  });
}

async function keepAsking(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // Being refused is quick: who is does not ask again at once.
  while (!isOver) if (!(await ask(agent))) await after(plan.freshEveryMs);
  agent.destroy();
}

async function askAnew(): Promise<void> {
  const asking: Promise<boolean>[] = [];
  while (!isOver) {
    asking.push(ask(false));
    await after(plan.freshEveryMs);
  }
  await Promise.all(asking);
}

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

process.stdin.once("end", () => (isOver = true)).resume();
await Promise.all([askAnew(), ...Array.from({ length: plan.kept }, keepAsking)]);
