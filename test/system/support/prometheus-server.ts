// SPDX-License-Identifier: Apache-2.0
// A real Prometheus that scrapes one target every second into a temporary folder.

import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";

/** One series of an instant vector. Prometheus leaves labels out whose value is empty. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly scrapeUrl: string;
}

interface Reply {
  readonly status: string;
  readonly error?: string;
  readonly data: unknown;
}

const deadlineMs = 10_000;
const pollMs = 50;

export class PrometheusServer implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<null, null, Readable>;
  readonly #folder: string;
  readonly #ended: Promise<unknown>;
  #log = "";
  #port = 0;

  private constructor(program: string, folder: string) {
    this.#folder = folder;
    const options = [
      `--config.file=${join(folder, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      "--storage.tsdb.retention.time=1h",
      // Prometheus says which port it got; a port looked up beforehand could be gone.
      "--web.listen-address=127.0.0.1:0",
      "--web.external-url=http://127.0.0.1/",
    ];
    this.#process = spawn(program, options, {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      // It does not outlive a test that hangs.
      signal: AbortSignal.timeout(25_000),
      killSignal: "SIGKILL",
    });
    // A failed spawn or a kill by the signal above: the waits below end with the log.
    this.#process.on("error", (error) => (this.#log += `${error.message}\n`));
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.#ended = new Promise((resolve) => this.#process.once("close", resolve));
  }

  /** `port` and `path` of 127.0.0.1 are scraped. Resolves when the HTTP API answers. */
  static async start(program: string, port: number, path: string): Promise<PrometheusServer> {
    const folder = await mkdtemp(join(tmpdir(), "naru-prometheus-"));
    await writeFile(join(folder, "prometheus.yaml"), configuration(port, path));
    const server = new PrometheusServer(program, folder);
    try {
      await server.until("Prometheus to be ready", () => server.#isReady());
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** The instant vector of a PromQL expression, now. */
  async query(expression: string): Promise<readonly Series[]> {
    const data = await this.#get(`query?${new URLSearchParams({ query: expression }).toString()}`);
    const { resultType, result } = data as {
      resultType: string;
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    assert.equal(resultType, "vector", expression);
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  async targets(): Promise<readonly Target[]> {
    return ((await this.#get("targets?state=active")) as { activeTargets: Target[] }).activeTargets;
  }

  /** Asks again and again until `condition` holds; throws after ten seconds, or at once when Prometheus has ended. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    while (!(await condition())) {
      const ended = this.#process.exitCode !== null || this.#process.signalCode !== null;
      if (ended || this.#process.pid === undefined || performance.now() > deadline) {
        throw new Error(`waited for ${what}${ended ? ", but Prometheus has ended" : ""}\n${this.#log}`);
      }
      await wait(pollMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its data is thrown away, so it need not write it out.
    this.#process.kill("SIGKILL");
    await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    const listening = /"Listening on" address=127\.0\.0\.1:(\d+)/.exec(this.#log);
    if (listening === null) return false;
    this.#port = Number(listening[1]);
    // 503 until the storage is open.
    const answer = await fetch(`http://127.0.0.1:${this.#port}/-/ready`);
    await answer.arrayBuffer();
    return answer.status === 200;
  }

  async #get(resource: string): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/api/v1/${resource}`);
    const reply = (await answer.json()) as Reply;
    assert.equal(reply.status, "success", `${resource}: ${reply.error ?? ""}`);
    return reply.data;
  }
}

/** Feeds `text` to a command; resolves with what it answers. */
export async function pipeThrough(
  program: string,
  args: readonly string[],
  text: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, args, { stdio: "pipe", signal: AbortSignal.timeout(deadlineMs) });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => (output += part));
  }
  child.stdin.end(text);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

function configuration(port: number, path: string): string {
  return `
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
- job_name: naru
  honor_labels: true
  metrics_path: ${path}
  static_configs:
  - targets: ["127.0.0.1:${port}"]
`;
}
