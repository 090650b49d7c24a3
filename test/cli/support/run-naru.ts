// SPDX-License-Identifier: Apache-2.0
// Runs the real program as a child with piped output, as a shell script would.

import { spawn, type ChildProcessByStdio } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Readable } from "node:stream";

import { transportOptions, uringCheck } from "../../support/transport-under-test.ts";

const entry = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

/** Samples as relative paths from `samplesFolder`, so that no output contains a machine's own path. */
export const samplesFolder = fileURLToPath(new URL("../../fixtures/samples", import.meta.url));

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningNaru {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** What was written until now. */
  stdout(): string;
  stderr(): string;
  /** Resolves once stdout or stderr contains a match; rejects when the child ends without. */
  waitFor(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the child has ended and its output is read. */
  readonly ended: Promise<RunResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts `naru ARGS` in the samples' folder, on the transport under test when it serves, by way of another program if one is
 * named. Disposing kills it.
 */
export function startNaru(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  through: readonly string[] = [],
): RunningNaru {
  const [program = "", ...rest] = [...through, process.execPath, entry, ...args, ...transportArgs(args)];
  const child = spawn(program, rest, {
    cwd: samplesFolder,
    env: { PATH: process.env["PATH"] ?? "", ...(uringCheck ? { NARU_URING_CHECK: "1" } : {}), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // No child outlives a test that hangs.
    signal: AbortSignal.timeout(25_000),
    killSignal: "SIGKILL",
  });
  const written = { stdout: "", stderr: "" };
  child.on("error", (error) => (written.stderr += `${error.message}\n`));
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => (written[stream] += text));
  }
  const { promise: ended, resolve } = Promise.withResolvers<RunResult>();
  child.on("close", (code) => resolve({ code, ...written }));
  return {
    process: child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    ended,
    waitFor: (stream, pattern) => waitForOutput(child[stream], () => written[stream], pattern, ended),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Of commands that serve, unless they are told already. */
function transportArgs([command = "", ...rest]: readonly string[]): readonly string[] {
  const serves = ["gateway", "up", "demo"].includes(command);
  if (!serves || rest.some((arg) => /^(?:--transport|--help$|-h$)/.test(arg))) return [];
  return transportOptions;
}

/** Runs `naru ARGS` to its end. */
export async function runNaru(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  await using running = startNaru(args, env);
  return await running.ended;
}

export interface GatewayPorts {
  readonly gateway: number;
  readonly admin: number;
  readonly status: number;
  readonly stats: number;
}

/** Where a gateway with one listener on 127.0.0.1 is, once it is ready; as it says in its log. */
export async function portsOf(naru: RunningNaru): Promise<GatewayPorts> {
  const pages = await naru.waitFor("stderr", /admin pages are up .*admin=(\d+) .*status=(\d+) .*stats=(\d+)/);
  const ready = await naru.waitFor("stderr", /gateway is ready .*listeners=127\.0\.0\.1:(\d+)/);
  return { admin: Number(pages[1]), status: Number(pages[2]), stats: Number(pages[3]), gateway: Number(ready[1]) };
}

function waitForOutput(
  stream: Readable,
  written: () => string,
  pattern: RegExp,
  ended: Promise<RunResult>,
): Promise<RegExpExecArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
  const look = () => {
    const found = pattern.exec(written());
    if (found === null) return;
    stream.off("data", look);
    resolve(found);
  };
  stream.on("data", look);
  look();
  void ended.then((result) =>
    reject(new Error(`ended with ${result.code} before ${pattern}\n${result.stdout}${result.stderr}`)),
  );
  return promise;
}
