// SPDX-License-Identifier: Apache-2.0
// Routing daemons of Debian as peers, each started in a namespace with a configuration of the test.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as after } from "node:timers/promises";

import { requireTool } from "../../support/requires.ts";
import type { TestTool } from "../../support/tools.ts";
import { collect, TestNetwork, type Host, type HostProcess, type Lan } from "./test-network.ts";

const pollMs = 50;

/** Waits for something that nobody tells us of; fails with what there was last when it does not come. */
export async function eventually<Value>(
  read: () => Promise<Value>,
  fits: (value: Value) => boolean,
  withinMs = 8_000,
): Promise<Value> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms; at last: ${String(value)}`);
    await after(pollMs);
  }
}

/** A directory that goes with the test. */
export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "naru-bgp-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Ends a process and waits for its end. */
export async function kill(process: HostProcess): Promise<void> {
  const ended = new Promise((resolve) => process.once("exit", resolve));
  process.kill("SIGKILL");
  await ended;
}

export class Bird {
  readonly process: HostProcess;
  readonly log: () => string;
  readonly #host: Host;
  readonly #control: string;

  private constructor(host: Host, process: HostProcess, control: string) {
    this.#host = host;
    this.process = process;
    this.#control = control;
    this.log = collect(process.stderr);
  }

  /** `protocols` beside those that put routes into the kernel. */
  static async start(t: TestContext, host: Host, routerId: string, protocols: string): Promise<Bird> {
    const folder = await scratch(t);
    const config = `
      log stderr all;
      debug protocols { states, events };
      router id ${routerId};
      protocol device { scan time 1; }
      protocol kernel { ipv4 { export all; }; merge paths on; }
      protocol kernel { ipv6 { export all; }; merge paths on; }
      template bgp node {
        connect delay time 1; connect retry time 1; error wait time 1, 2;
      }
      ${protocols}`;
    await writeFile(join(folder, "bird.conf"), config);
    const control = join(folder, "bird.ctl");
    const process = host.start("bird", "-f", "-c", join(folder, "bird.conf"), "-s", control);
    const bird = new Bird(host, process, control);
    await eventually(
      () => bird.ask("show status"),
      (answer) => answer.includes("Daemon is up"),
    );
    return bird;
  }

  /** What `birdc` says, errors included. */
  async ask(command: string): Promise<string> {
    const { stdout, stderr } = await this.#host.attempt("birdc", "-s", this.#control, ...command.split(" "));
    return stdout + stderr;
  }

  /** All attributes of all its paths of a prefix, once it has one. */
  async route(prefix: string): Promise<string> {
    return eventually(
      () => this.ask(`show route all for ${prefix}`),
      (answer) => answer.includes("BGP.as_path"),
    );
  }

  /** Once it has no path of the prefix. */
  async noRoute(prefix: string, withinMs?: number): Promise<void> {
    await eventually(
      () => this.ask(`show route for ${prefix}`),
      (answer) => answer.includes("Network not found"),
      withinMs,
    );
  }
}

export interface NodeAndRouter {
  readonly node: Host;
  readonly router: Host;
  readonly lan: Lan;
}

/** A node at .1 and a router at .254 of one Ethernet; null when the test cannot run here, for want of `tool` or of root. */
export async function nodeAndRouter(t: TestContext, tool: TestTool): Promise<NodeAndRouter | null> {
  if (requireTool(t, tool) === null) return null;
  const network = TestNetwork.open(t);
  if (network === null) return null;
  const lan = await network.lan("lan");
  const [node, router] = [await network.host("node"), await network.host("router")];
  await network.connect(node, lan, { addresses: ["10.8.0.1/24", "fd00:8::1/64"] });
  await network.connect(router, lan, { addresses: ["10.8.0.254/24", "fd00:8::254/64"] });
  return { node, router, lan };
}
