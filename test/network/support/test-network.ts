// SPDX-License-Identifier: Apache-2.0
// Hosts and Ethernets of one test: network namespaces, bridges and veth pairs. Nothing outside of them is touched, and the
// end of the test ends them with all that runs in them. Needs root.

import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

import { requireNamespaces } from "../../support/requires.ts";

const run = promisify(execFile);
let networks = 0;

export type HostProcess = ChildProcessByStdio<Writable, Readable, Readable>;

export interface Connection {
  /** Name of the interface in the host. `eth0` when it is not said. */
  readonly interface?: string;
  readonly mac?: string;
  /** `10.0.0.1/24`, `fd00::1/64`; usable at once. */
  readonly addresses?: readonly string[];
}

export interface Finished {
  /** -1 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A test, or whoever else has a beginning and an end. */
export type NetworkOwner = Pick<TestContext, "after" | "skip">;

/** Made by `TestNetwork.open`, at the start of a test. */
export class TestNetwork {
  readonly #ip: string;
  readonly #prefix: string;
  readonly #namespaces: string[] = [];
  readonly #processes = new Set<HostProcess>();
  #ports = 0;

  private constructor(ip: string) {
    this.#ip = ip;
    this.#prefix = `naru${process.pid}-${++networks}`;
  }

  /** null after marking the test as skipped; return from the test then. */
  static open(t: NetworkOwner): TestNetwork | null {
    const ip = requireNamespaces(t);
    if (ip === null) return null;
    const network = new TestNetwork(ip);
    t.after(() => network.#close());
    return network;
  }

  /** A machine without interfaces but its loopback. */
  async host(name: string): Promise<Host> {
    if (this.#namespaces.length === 0) await sweep(this.#ip);
    const namespace = `${this.#prefix}-${name}`;
    await run(this.#ip, ["netns", "add", namespace]);
    this.#namespaces.push(namespace);
    const host = new Host(this, this.#ip, namespace);
    // Addresses that IPv6 checks for a second first make every test wait.
    await host.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
    await host.ip("link set lo up");
    return host;
  }

  /** An Ethernet: a bridge in a namespace of its own. */
  async lan(name: string): Promise<Lan> {
    const host = await this.host(name);
    await host.ip("link add br0 type bridge", "link set br0 up");
    return { host };
  }

  /** Plugs the host in. Its interface is up and has its addresses when this returns. */
  async connect(host: Host, lan: Lan, options: Connection = {}): Promise<void> {
    const name = options.interface ?? "eth0";
    const port = `port${++this.#ports}`;
    const mac = options.mac === undefined ? "" : `address ${options.mac}`;
    await lan.host.ip(`link add ${port} type veth peer name ${name} ${mac} netns ${host.namespace}`);
    await lan.host.ip(`link set ${port} master br0`, `link set ${port} up`);
    const addresses = (options.addresses ?? []).map((each) => `address add ${each} dev ${name}`);
    await host.ip(`link set ${name} up`, ...addresses);
  }

  /** Kept until the end of the test, or until it ends by itself. */
  keep(process: HostProcess): void {
    this.#processes.add(process);
    process.once("exit", () => this.#processes.delete(process));
  }

  async #close(): Promise<void> {
    const ends = [...this.#processes].map(async (process) => {
      const exit = once(process, "exit");
      process.kill("SIGKILL");
      await exit;
    });
    await Promise.all(ends);
    for (const namespace of this.#namespaces) await run(this.#ip, ["netns", "del", namespace]);
  }
}

export interface Lan {
  /** Has the bridge `br0`; `ip` there can cut cables. */
  readonly host: Host;
}

export class Host {
  readonly namespace: string;
  readonly #network: TestNetwork;
  readonly #ip: string;

  constructor(network: TestNetwork, ip: string, namespace: string) {
    this.#network = network;
    this.#ip = ip;
    this.namespace = namespace;
  }

  /** Commands of `ip`, in one go: `link set eth0 down`. */
  async ip(...commands: readonly string[]): Promise<string> {
    let output = "";
    for (const command of commands) {
      output += (await run(this.#ip, ["-n", this.namespace, ...command.split(" ").filter((word) => word !== "")]))
        .stdout;
    }
    return output;
  }

  /** Runs to its end; what it says on stdout. Throws with what it says on stderr when it fails. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const finished = await this.attempt(command, ...args);
    if (finished.code === 0) return finished.stdout;
    throw new Error(`${command} ${args.join(" ")} exits with ${finished.code}: ${finished.stderr}${finished.stdout}`);
  }

  /** Runs to its end, well or not. */
  async attempt(command: string, ...args: readonly string[]): Promise<Finished> {
    const process = this.start(command, ...args);
    const [stdout, stderr] = [collect(process.stdout), collect(process.stderr)];
    const [code] = (await once(process, "close")) as [number | null];
    return { code: code ?? -1, stdout: stdout(), stderr: stderr() };
  }

  /** Runs until it ends or the test does. */
  start(command: string, ...args: readonly string[]): HostProcess {
    const process = spawn(this.#ip, ["netns", "exec", this.namespace, command, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#network.keep(process);
    return process;
  }

  /** Runs a TypeScript file with the Node of this process. */
  node(script: string, ...args: readonly string[]): HostProcess {
    return this.start(process.execPath, script, ...args);
  }
}

/** Resolves when the process has said more on this stream, or has ended. */
export async function moreOf(stream: Readable, process: HostProcess): Promise<void> {
  const listening = new AbortController();
  const { signal } = listening;
  try {
    await Promise.race([once(stream, "data", { signal }), once(process, "exit", { signal })]);
  } finally {
    listening.abort();
  }
}

/** All text of a stream so far, whenever it is asked. */
export function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

/** Ends namespaces of tests that were killed before they could. */
async function sweep(ip: string): Promise<void> {
  const { stdout } = await run(ip, ["netns", "list"]);
  for (const [, name = "", pid] of stdout.matchAll(/^(naru(\d+)-\S+)/gm)) {
    // Another test may be faster.
    if (!isRunning(Number(pid))) await run(ip, ["netns", "del", name]).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
