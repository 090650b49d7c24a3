// SPDX-License-Identifier: Apache-2.0
// Gateways that announce the address of their Service, and a client that puts load on it.

import { fileURLToPath } from "node:url";

import { gatewayYaml } from "../../cli/support/workspace.ts";
import { layer2Yaml, vips, type Cluster, type ClusterNode } from "./announce-cluster.ts";
import type { LoadPlan, LoadRecord } from "./http-load.ts";
import { JsonPeer } from "./json-lines.ts";
import { eventually } from "./routers.ts";
import type { Host } from "./test-network.ts";

const httpLoad = fileURLToPath(new URL("http-load.ts", import.meta.url));

/** In front of the gateways: they have these labels when nothing else is said. */
export function gatewayService(name: string, port: string, families = "PreferDualStack"): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: LoadBalancer, ipFamilyPolicy: ${families}, selector: {istio: ingressgateway}, ports: [{name: http, ${port}}]}
`;
}

/** The addresses of `vips` and ten more of each family, by layer 2. */
export const lanYaml = layer2Yaml();

/** On each node a gateway that announces, in front of an origin that says the name of the node. Resolves when all are ready. */
export async function launchGateways(cluster: Cluster, ...options: readonly string[]): Promise<void> {
  for (const node of cluster.nodes) {
    await startOrigin(node);
    await launchGateway(node, ...options);
  }
  for (const node of cluster.nodes) await node.logged(/ gateway is ready /);
}

/** Says the name of its node, on a port that the gateway of the node forwards to. */
export async function startOrigin({ host, name }: ClusterNode): Promise<void> {
  const origin = `require("http").createServer((_, reply) => reply.end("${name}")).listen(8080, "127.0.0.1", () => console.log("up"))`;
  const running = host.start(process.execPath, "-e", origin);
  await new Promise((resolve) => running.stdout.once("data", resolve));
}

/** Resolves before it is ready. */
export async function launchGateway(node: ClusterNode, ...options: readonly string[]): Promise<void> {
  await node.heedAnnouncer();
  node.launchGateway(await node.write("gateway.yaml", gatewayYaml(8080, "/")), ...options);
}

/** Who announces the first address in layer 2, once all nodes know each other and say the same. */
export async function ownerOf(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  const read = async (): Promise<readonly (readonly [string | undefined, number])[]> =>
    Promise.all(
      nodes.map(async (node) => {
        const { vips: shown, members } = await node.vips();
        return [shown[0]?.layer2?.node, members.length] as const;
      }),
    );
  const answers = await eventually(read, (all) =>
    all.every(([name, members]) => name !== undefined && name === all[0]![0] && members === nodes.length),
  );
  return nodes.find(({ name }) => name === answers[0]![0])!;
}

/** The clock of LoadRecords. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** `http-load.ts` on the client's machine. */
export class Load {
  readonly #peer: JsonPeer<LoadRecord>;

  constructor(client: Host, plan: Omit<LoadPlan, "address">) {
    this.#peer = new JsonPeer(client.node(httpLoad, JSON.stringify({ ...plan, address: vips[0] })));
  }

  get records(): readonly LoadRecord[] {
    return this.#peer.messages;
  }

  /** Resolves once so many requests that were sent at that time or later have their outcome. */
  async since(fromMs: number, count: number): Promise<void> {
    let seen = 0;
    await this.#peer.hear(({ startMs }) => startMs >= fromMs && ++seen >= count);
  }

  /** Waits for the outcomes of what is in flight. */
  async end(): Promise<readonly LoadRecord[]> {
    await this.#peer.end();
    return this.#peer.messages;
  }
}

/** What of a load was lost, and what of that cannot be laid to the move of the address. */
export function lossesOf(
  records: readonly LoadRecord[],
  movedMs: number,
): {
  readonly lost: readonly LoadRecord[];
  readonly late: readonly LoadRecord[];
} {
  const lost = records.filter(({ failure }) => failure !== null);
  return { lost, late: lost.filter(({ startMs }) => startMs >= movedMs) };
}
