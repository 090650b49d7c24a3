// SPDX-License-Identifier: Apache-2.0
// The real `naru announce` on three nodes: who answers for an address, and how it moves when its node dies or stops.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { gatewayYaml } from "../cli/support/workspace.ts";
import { requireTool } from "../support/requires.ts";
import { layer2Yaml, openCluster, vips, type Cluster, type ClusterNode } from "./support/announce-cluster.ts";
import { Watcher } from "./support/client-network.ts";
import { TestNetwork, type Host } from "./support/test-network.ts";

const [vip, vip6] = vips;

/** Hardware addresses that answer for the address, of two questions that all nodes hear. */
async function answering(client: Host, arping: string): Promise<readonly string[]> {
  const { stdout } = await client.attempt(arping, "-b", "-c2", "-w2", "-I", "eth0", vip);
  return [...new Set([...stdout.matchAll(/\[([0-9A-F:]{17})\]/gi)].map(([, mac]) => mac!.toLowerCase()))];
}

/** The client knows both addresses; the result is who has them, and what changes from then on. */
async function clientKnows(cluster: Cluster): Promise<{ readonly owner: ClusterNode; readonly neighbors: Watcher }> {
  const neighbors = Watcher.neighbors(cluster.client);
  await cluster.client.run("bash", "-c", `echo > /dev/udp/${vip}/9; echo > /dev/udp/${vip6}/9`);
  const macs = [];
  for (const address of vips) {
    const [line = ""] = await neighbors.until(1, (each) => each.startsWith(`${address} `) && each.includes("lladdr"));
    macs.push(/lladdr (\S+)/.exec(line)?.[1] ?? "");
  }
  assert.equal(macs[0], macs[1]);
  return { owner: cluster.ownerOf(macs[0]!), neighbors };
}

/** Resolves with the time until the client knows both addresses to be elsewhere. */
async function movedFrom(owner: ClusterNode, neighbors: Watcher): Promise<number> {
  const startMs = performance.now();
  for (const address of vips) {
    const isThere = (line: string): boolean => line.startsWith(`${address} `) && line.includes("lladdr");
    await neighbors.until(1, (line) => isThere(line) && !line.includes(owner.mac));
  }
  return performance.now() - startMs;
}

suite("naru announce", () => {
  test("one of three nodes answers for an address, and when it is killed another one does", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const cluster = await openCluster(t, network);
    await cluster.configure(layer2Yaml("shop"));
    await cluster.launch();

    const { owner, neighbors } = await clientKnows(cluster);
    assert.deepEqual(await answering(cluster.client, arping), [owner.mac]);
    const answers = await Promise.all(cluster.nodes.map(async (node) => await node.vips()));
    for (const { members, vips: shown, splitBrains } of answers) {
      assert.deepEqual(members.map((member) => member.node).toSorted(), ["n1", "n2", "n3"]);
      assert.deepEqual(
        shown.map(({ service, addresses, layer2 }) => [service, addresses, layer2?.node]),
        [["default/shop", [...vips], owner.name]],
      );
      assert.deepEqual(splitBrains, []);
    }

    const moved = movedFrom(owner, neighbors);
    await owner.signal("SIGKILL");
    const tookMs = await moved;
    assert.ok(tookMs < 3_000, `${tookMs} ms`);
    const [heir, ...others] = await answering(cluster.client, arping);
    assert.deepEqual(others, []);
    assert.notEqual(heir, owner.mac);

    // Who comes back does not take the address at once.
    owner.launch();
    await owner.logged(/ announcing /);
    assert.deepEqual(await answering(cluster.client, arping), [heir]);
  });

  test("a node that is asked to stop hands its addresses over at once and exits 0", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const cluster = await openCluster(t, network);
    await cluster.configure(layer2Yaml("shop"));
    await cluster.launch();
    const { owner, neighbors } = await clientKnows(cluster);
    const moved = movedFrom(owner, neighbors);
    assert.equal(await owner.signal("SIGTERM"), 0);
    const tookMs = await moved;
    assert.ok(tookMs < 1_000, `${tookMs} ms`);
    assert.equal((await answering(cluster.client, arping)).includes(owner.mac), false);
  });

  test("requests to an announced address reach the gateway of its node, and after that one's death another", async (t) => {
    const curl = requireTool(t, "curl");
    const network = curl === null ? null : TestNetwork.open(t);
    if (curl === null || network === null) return;
    const cluster = await openCluster(t, network, 2);
    await cluster.configure(layer2Yaml("gateway"));
    await Promise.all(cluster.nodes.map(runGateway));
    await cluster.launch("--bind-vip");
    const ask = async (url: string): Promise<string> => {
      const { stdout } = await cluster.client.attempt(curl, "-s", "--max-time", "2", "-H", "host: shop.example", url);
      return stdout;
    };

    const { owner, neighbors } = await clientKnows(cluster);
    const urls = [`http://${vip}/`, `http://[${vip6}]/`];
    for (const url of urls) assert.equal(await ask(url), owner.name);
    const moved = movedFrom(owner, neighbors);
    await owner.signal("SIGKILL");
    await moved;
    const heir = cluster.nodes.find((node) => node !== owner)!;
    for (const url of urls) assert.equal(await ask(url), heir.name);
    // It takes the address off the machine when it stops.
    assert.match(await heir.host.ip("address show dev lo"), new RegExp(` ${vip}/32 `));
    assert.equal(await heir.signal("SIGTERM"), 0);
    assert.doesNotMatch(await heir.host.ip("address show dev lo"), new RegExp(vip));
  });
});

/** A gateway on port 80, in front of an origin that says the name of the node. */
async function runGateway(node: ClusterNode): Promise<void> {
  const origin = `require("http").createServer((_, reply) => reply.end("${node.name}")).listen(8080, "127.0.0.1")`;
  node.host.start(process.execPath, "-e", origin);
  const file = await node.write("gateway.yaml", gatewayYaml(8080, "/"));
  await node.runBeside(/gateway is ready/, "gateway", "-f", file, "--concurrency", "1");
  // Bound addresses are answered for by who announces them, and not by every kernel that has them.
  const settings = ["arp_ignore=1", "arp_announce=2"].map((each) => {
    const [name, value] = each.split("=");
    return `echo ${value} > /proc/sys/net/ipv4/conf/all/${name}`;
  });
  await node.host.run("sh", "-c", settings.join("; "));
}
