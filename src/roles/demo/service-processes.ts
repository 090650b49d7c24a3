// SPDX-License-Identifier: Apache-2.0
// The example's services as child processes: started together, watched, stopped together. The IPC channel each of them
// holds is what ends it should this process die without saying so.

import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Which program in which version; `app` is also the name of its file and of the Kubernetes Service. */
export interface ServiceSpec {
  readonly app: string;
  readonly version: string;
}

/** The product page comes first, as in a request. */
export const bookinfoServices: readonly ServiceSpec[] = [
  { app: "productpage", version: "v1" },
  { app: "details", version: "v1" },
  { app: "reviews", version: "v1" },
  { app: "reviews", version: "v2" },
  { app: "reviews", version: "v3" },
  { app: "ratings", version: "v1" },
];

export interface ServiceProcess extends ServiceSpec {
  readonly pid: number;
  readonly port: number;
}

export interface ServiceGroup {
  readonly processes: readonly ServiceProcess[];
  /** Resolves with a sentence about the first process that ends unasked; never after `stop` was called. */
  readonly firstDeath: Promise<string>;
  /** Ends all of them; those that do not end within `graceMs` are killed. Resolves when none is left. */
  stop(graceMs: number): Promise<void>;
}

export interface StartOptions {
  /** Where `<app>.ts` stands. */
  readonly folder: string;
  readonly meshUrl: string;
  readonly readyTimeoutMs: number;
}

/** Last words of a service that are kept for the report of its death. */
const keptErrorChars = 2000;

/** Resolves when every service answers. Rejects when one does not, with none of them left running. */
export async function startServiceProcesses(
  specs: readonly ServiceSpec[],
  options: StartOptions,
): Promise<ServiceGroup> {
  const children = specs.map((spec) => new ServiceChild(spec, options));
  const ready = await Promise.allSettled(children.map((child) => child.ready(options.readyTimeoutMs)));
  const failed = ready.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await Promise.all(children.map((child) => child.stop(0)));
    throw failed.reason;
  }
  const { promise: firstDeath, resolve } = Promise.withResolvers<string>();
  for (const child of children) void child.ended.then(() => child.stopping || resolve(child.obituary()));
  return {
    processes: ready.map((result, index) => ({
      ...specs[index]!,
      pid: children[index]!.pid,
      port: (result as PromiseFulfilledResult<number>).value,
    })),
    firstDeath,
    async stop(graceMs) {
      await Promise.all(children.map((child) => child.stop(graceMs)));
    },
  };
}

class ServiceChild {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly ended: Promise<void>;
  stopping = false;
  #lastWords = "";
  #failure: Error | null = null;

  constructor({ app, version }: ServiceSpec, { folder, meshUrl }: StartOptions) {
    this.#name = `${app} ${version}`;
    const file = join(folder, `${app}.ts`);
    // What is set there for this process, a debugger's port for one, is not meant for six more.
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.#process = spawn(process.execPath, [file, "--port", "0", "--version", version, "--mesh", meshUrl], {
      env,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-keptErrorChars);
    });
    this.ended = new Promise((resolve) => {
      this.#process.once("close", () => resolve());
      this.#process.once("error", (error) => {
        this.#failure = error;
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The port it listens on, once it says so. */
  ready(timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#name} is not ready after ${timeoutMs} ms`)), timeoutMs);
      void this.ended.then(() => {
        clearTimeout(timer);
        reject(new Error(this.obituary()));
      });
      createInterface({ input: this.#process.stdout! }).once("line", (line) => {
        clearTimeout(timer);
        const port = listeningPort(line);
        if (port === null) reject(new Error(`${this.#name} said ${JSON.stringify(line)} instead of where it listens`));
        else resolve(port);
      });
    });
  }

  /** How it ended, with what it last wrote. */
  obituary(): string {
    const { exitCode, signalCode } = this.#process;
    const how = this.#failure?.message ?? (signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`);
    const words = this.#lastWords.trim();
    return `service ${this.#name} (process ${this.pid}) ended: ${how}${words === "" ? "" : `\n${words}`}`;
  }

  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), graceMs);
    this.#process.kill("SIGTERM");
    await this.ended;
    clearTimeout(kill);
  }
}

/** Reads `{"listening":PORT}`. */
function listeningPort(line: string): number | null {
  try {
    const port: unknown = (JSON.parse(line) as { listening?: unknown } | null)?.listening;
    return typeof port === "number" ? port : null;
  } catch {
    // Not JSON, so not the ready line either.
    return null;
  }
}
