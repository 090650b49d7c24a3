// SPDX-License-Identifier: Apache-2.0
// `node bench/failover.ts`: how long an announced address is lost when its node is killed or stopped. See --help.

import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";

import {
  layer2Yaml,
  openCluster,
  vips,
  type Cluster,
  type ClusterNode,
} from "../test/network/support/announce-cluster.ts";
import { Watcher } from "../test/network/support/client-network.ts";
import { gatewayService, lanYaml, launchGateway, startOrigin } from "../test/network/support/gateways.ts";
import { TestNetwork } from "../test/network/support/test-network.ts";
import { countOf, parsed } from "./usage.ts";

const ways = [
  { signal: "SIGKILL", promisedMs: 1_500 },
  { signal: "SIGTERM", promisedMs: 300 },
] as const;

const help = `Usage: node bench/failover.ts [--gateway] [ROUNDS]

Kills and stops the node of an announced address, 20 times each unless told otherwise: of three real naru announce, or
with --gateway naru gateway --announce, on an Ethernet of network namespaces, seen from the neighbor table of a client.
Needs root. Exit code 1 when it takes longer than promised.
`;

const flag = { type: "boolean" } as const;
const config = { options: { gateway: flag, help: { ...flag, short: "h" } }, allowPositionals: true } as const;
const { values, positionals } = parsed(() => parseArgs(config));
const rounds = countOf("ROUNDS", positionals[0] ?? "20");
const what = values.gateway === true ? gateways() : announcers();
const endings: (() => void | Promise<void>)[] = [];
const owner = {
  after: (ending: () => void | Promise<void>) => void endings.unshift(ending),
  skip: (reason?: string) => console.log(reason),
};

/** What runs on the nodes. */
interface Subject {
  readonly yaml: string;
  /** Once, before all of it. */
  prepare(node: ClusterNode): Promise<void>;
  /** Resolves when it announces, or would. */
  launch(node: ClusterNode): Promise<void>;
}

function announcers(): Subject {
  return {
    yaml: layer2Yaml("shop"),
    prepare: async () => undefined,
    async launch(node) {
      node.launch();
      await node.logged(/ announcing /);
    },
  };
}

/** A delay of the drain is time in which they still serve: it is not lost, and left out here. */
function gateways(): Subject {
  return {
    yaml: `${lanYaml}${gatewayService("gateway", "port: 80")}`,
    prepare: startOrigin,
    async launch(node) {
      await launchGateway(node, "--drain-delay-seconds", "0");
      await node.logged(/ gateway is ready /);
    },
  };
}

/** The round trip of one address: who has it, and how the client learns that somebody else does. */
class Client {
  readonly #neighbors: Watcher;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#neighbors = Watcher.neighbors(cluster.client);
  }

  async ownerOf(address: string): Promise<ClusterNode> {
    await this.#cluster.client.run("bash", "-c", `echo > /dev/udp/${address}/9`);
    const lines = await this.#neighbors.until(1, (line) => isAbout(line, address));
    return this.#cluster.ownerOf(/lladdr (\S+)/.exec(lines.at(-1)!)![1]!);
  }

  /** Resolves when the client has heard, from now on, that somebody else has the address. */
  async moved(address: string, from: ClusterNode): Promise<void> {
    const fits = (line: string): boolean => isAbout(line, address) && !line.includes(from.mac);
    await this.#neighbors.until(this.#neighbors.seen.filter(fits).length + 1, fits);
  }
}

function isAbout(line: string, address: string): boolean {
  return line.startsWith(`${address} `) && line.includes("lladdr");
}

async function measure(client: Client, signal: "SIGKILL" | "SIGTERM"): Promise<number> {
  const node = await client.ownerOf(vips[0]);
  await client.ownerOf(vips[1]);
  const moved = Promise.all(vips.map((address) => client.moved(address, node)));
  const startMs = performance.now();
  const ended = node.signal(signal);
  await moved;
  const tookMs = performance.now() - startMs;
  await ended;
  await what.launch(node);
  // Linux takes one change of a neighbor a second.
  await wait(1_500);
  return tookMs;
}

function report(name: string, tookMs: readonly number[]): void {
  const sorted = tookMs.toSorted((left, right) => left - right);
  const at = (share: number): string => `${Math.round(sorted[Math.ceil(share * sorted.length) - 1]!)} ms`;
  console.log(`${name}: ${sorted.length} rounds, least ${at(0.01)}, median ${at(0.5)}, p90 ${at(0.9)}, most ${at(1)}`);
}

if (values.help === true) process.stdout.write(help);
const network = values.help === true ? null : TestNetwork.open(owner);
if (network !== null) {
  try {
    const cluster = await openCluster(owner, network);
    await cluster.configure(what.yaml);
    for (const node of cluster.nodes) await what.prepare(node);
    await Promise.all(cluster.nodes.map((node) => what.launch(node)));
    const client = new Client(cluster);
    for (const { signal, promisedMs } of ways) {
      const tookMs: number[] = [];
      for (let round = 0; round < rounds; round++) tookMs.push(await measure(client, signal));
      report(signal, tookMs);
      if (Math.max(...tookMs) > promisedMs) process.exitCode = 1;
    }
  } finally {
    for (const ending of endings) await ending();
  }
}
