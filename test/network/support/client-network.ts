// SPDX-License-Identifier: Apache-2.0
// Two hosts that may announce and one that asks, on one Ethernet; and what the one that asks sees.

import { collect, moreOf, type Host, type HostProcess, type Lan, type TestNetwork } from "./test-network.ts";

export const firstMac = "02:00:00:00:00:01";
export const secondMac = "02:00:00:00:00:02";
export const clientMac = "02:00:00:00:00:99";

export interface ClientNetwork {
  readonly lan: Lan;
  readonly first: Host;
  readonly second: Host;
  readonly client: Host;
}

/** Hosts are .1, .2 and .99 of 10.9.0.0/24 and of fd00:9::/64. */
export async function openClientNetwork(network: TestNetwork): Promise<ClientNetwork> {
  const lan = await network.lan("lan");
  const [first, second, client] = [await network.host("n1"), await network.host("n2"), await network.host("client")];
  await network.connect(first, lan, { mac: firstMac, addresses: ["10.9.0.1/24", "fd00:9::1/64"] });
  await network.connect(second, lan, { mac: secondMac, addresses: ["10.9.0.2/24", "fd00:9::2/64"] });
  await network.connect(client, lan, { mac: clientMac, addresses: ["10.9.0.99/24", "fd00:9::99/64"] });
  return { lan, first, second, client };
}

/** A program that prints as things happen. */
export class Watcher {
  readonly #process: HostProcess;
  readonly #errors: () => string;
  readonly #parts: () => readonly string[];

  private constructor(process: HostProcess, parts: () => readonly string[]) {
    this.#process = process;
    this.#errors = collect(process.stderr);
    this.#parts = parts;
  }

  /** Changes of the neighbor table, one a part. */
  static neighbors(host: Host): Watcher {
    const process = host.start("ip", "-o", "monitor", "neigh");
    const text = collect(process.stdout);
    return new Watcher(process, () => text().split("\n").slice(0, -1));
  }

  /** Whole frames in hexadecimal digits, as tcpdump sees them on eth0; both directions. `filter` is tcpdump's. */
  static async frames(host: Host, filter: string): Promise<Watcher> {
    const process = host.start("tcpdump", "-i", "eth0", "-w", "-", "-U", "--immediate-mode", filter);
    const chunks: Buffer[] = [];
    process.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    const watcher = new Watcher(process, () => framesIn(Buffer.concat(chunks)));
    while (!watcher.#errors().includes("listening on")) await watcher.#more(process.stderr);
    return watcher;
  }

  /** Everything so far. */
  get seen(): readonly string[] {
    return this.#parts();
  }

  /** Resolves with the parts that fit once there are so many of them, or more. */
  async until(count: number, fits: (part: string) => boolean = () => true): Promise<readonly string[]> {
    for (;;) {
      const fitting = this.seen.filter((part) => fits(part));
      if (fitting.length >= count) return fitting;
      await this.#more(this.#process.stdout);
    }
  }

  async #more(stream: HostProcess["stdout"]): Promise<void> {
    if (this.#process.exitCode !== null) throw new Error(`the program ended: ${this.#errors()}`);
    await moreOf(stream, this.#process);
  }
}

/** A capture file (pcap): 24 bytes, then 16 before each frame, of which 4 from the ninth on are its length. */
function framesIn(capture: Buffer): readonly string[] {
  const frames: string[] = [];
  for (let at = 24; at + 16 <= capture.length;) {
    const end = at + 16 + capture.readUInt32LE(at + 8);
    if (end > capture.length) break;
    frames.push(capture.toString("hex", at + 16, end));
    at = end;
  }
  return frames;
}
