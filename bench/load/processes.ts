// SPDX-License-Identifier: Apache-2.0
// Child processes of a benchmark: started, pinned to a core, measured, ended.

import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Clock ticks per second of /proc/PID/stat; 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;
const startDeadlineMs = 20_000;

/** The core of what is measured; load and origin share the other one. */
export const proxyCore = 1;
export const loadCore = 0;

export interface Measured {
  /** utime + stime of the process and its children so far. */
  readonly cpuMicroseconds: number;
  readonly userMicroseconds: number;
}

export interface Memory {
  readonly rssKiB: number;
  readonly anonKiB: number;
  /** The most it has been: the peak of RSS without what is file-backed now. */
  readonly peakAnonKiB: number;
}

/** A thread of a process and its CPU time so far. */
export interface Thread {
  readonly id: number;
  readonly cpuMicroseconds: number;
}

export class Child implements AsyncDisposable {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #name: string;
  #stderr = "";

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#process = child;
    this.pid = child.pid ?? 0;
    child.stdout?.resume();
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
  }

  /** Starts a program on these cores (as taskset takes them) and waits until `port` answers. */
  static async start(name: string, cores: string, port: number, command: readonly string[]): Promise<Child> {
    const child = spawn("taskset", ["-c", cores, ...command], { stdio: ["ignore", "pipe", "pipe"] });
    const started = new Child(name, child);
    const deadline = performance.now() + startDeadlineMs;
    while (!(await answers(port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await started[Symbol.asyncDispose]();
        throw new Error(`${name} did not start (${command.join(" ")}): ${started.#stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return started;
  }

  /** The last of what it wrote to stderr. */
  get log(): string {
    return this.#stderr;
  }

  cpu(): Measured {
    const all = this.#pids().map((pid) => readCpu(`/proc/${pid}/stat`));
    return {
      cpuMicroseconds: all.reduce((sum, { cpuMicroseconds }) => sum + cpuMicroseconds, 0),
      userMicroseconds: all.reduce((sum, { userMicroseconds }) => sum + userMicroseconds, 0),
    };
  }

  /** Of the process itself, without its children. */
  threads(): readonly Thread[] {
    return readdirSync(`/proc/${this.pid}/task`).map((id) => {
      const { cpuMicroseconds } = readCpu(`/proc/${this.pid}/task/${id}/stat`);
      return { id: Number(id), cpuMicroseconds };
    });
  }

  memory(): Memory {
    const total = { rssKiB: 0, anonKiB: 0, peakAnonKiB: 0 };
    for (const pid of this.#pids()) {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      total.rssKiB += kib("VmRSS");
      total.anonKiB += kib("RssAnon");
      total.peakAnonKiB += kib("VmHWM") - kib("RssFile") - kib("RssShmem");
    }
    return total;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    // To SIGTERM a gateway says goodbye to balancers first, which takes seconds.
    this.#process.kill("SIGINT");
    const timer = setTimeout(() => {
      process.stderr.write(`${this.#name} ignores SIGINT, killing it\n`);
      this.#process.kill("SIGKILL");
    }, 5_000);
    await exit;
    clearTimeout(timer);
  }

  /** nginx does its work in a child of what was started. */
  #pids(): readonly number[] {
    const children = readdirSync(`/proc/${this.pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${this.pid}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
    return [this.pid, ...children];
  }
}

function readCpu(statFile: string): Measured {
  // Fields after the parenthesised name: utime is the 12th, stime the 13th.
  const fields = readFileSync(statFile, "latin1").split(") ").at(-1)!.split(" ");
  const microseconds = 1_000_000 / ticksPerSecond;
  const user = Number(fields[11]) * microseconds;
  return { cpuMicroseconds: user + Number(fields[12]) * microseconds, userMicroseconds: user };
}

/** A folder for configuration and files, removed with `owner`. */
export function openFolder(owner: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(tmpdir(), "naru-bench-"));
  owner.defer(() => rmSync(directory, { recursive: true }));
  // nginx runs its worker as another user, who must be able to read the files.
  execFileSync("chmod", ["755", directory]);
  return directory;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export function hasTool(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
  const connected = await promise;
  socket.destroy();
  return connected;
}
