// SPDX-License-Identifier: Apache-2.0
// The real `naru announce` on three nodes: who answers for an address, and how it moves when its node dies or stops.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { gatewayYaml } from "../cli/support/workspace.ts";
import { requireTool } from "../support/requires.ts";
import { layer2Yaml, openCluster, vips, type Cluster, type ClusterNode } from "./support/announce-cluster.ts";
import { Watcher } from "./support/client-network.ts";
import { Bird, eventually } from "./support/routers.ts";
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

  test("an address that another host has is withheld, unless it is not to be asked for", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const cluster = await openCluster(t, network, 1);
    const [node] = cluster.nodes as readonly [ClusterNode];
    await cluster.configure(layer2Yaml("shop"));
    await cluster.client.ip(`address add ${vip}/24 dev eth0`);
    const clientMac = /link\/ether (\S+)/.exec(await cluster.client.ip("link show dev eth0"))?.[1];
    const phases = async () => (await node.vips()).layer2.map(({ ip, phase }) => [ip, phase]);

    node.launch();
    await node.logged(/Another host claims an announced address/);
    const answer = await eventually(phases, (each) => each.every(([, phase]) => phase !== "probing"));
    assert.deepEqual(answer, [
      [vip, "conflict"],
      [vip6, "announcing"],
    ]);
    assert.equal((await node.vips()).vips[0]?.note, `${vip} is in use by ${clientMac}`);
    assert.equal(await node.signal("SIGTERM"), 0);

    node.launch("--probe", "off");
    await node.logged(/ announcing /);
    assert.deepEqual(await phases(), [
      [vip, "announcing"],
      [vip6, "announcing"],
    ]);
  });

  test("an address is announced again and again where that is asked for", async (t) => {
    const network = requireTool(t, "tcpdump") === null ? null : TestNetwork.open(t);
    if (network === null) return;
    const cluster = await openCluster(t, network, 1);
    const [node] = cluster.nodes as readonly [ClusterNode];
    await cluster.configure(layer2Yaml("shop"));
    const arp = await Watcher.frames(cluster.client, "arp");
    node.launch("--probe", "off", "--announce-interval", "0.2");
    // A request and a reply, five times in any case, and never more than that by itself.
    const from = node.mac.replaceAll(":", "");
    const gratuitous = new RegExp(`^ffffffffffff${from}0806.{16}${from}0a0900c8.{12}0a0900c8`);
    await arp.until(10 + 6, (frame) => gratuitous.test(frame));
    assert.equal(await node.signal("SIGTERM"), 0);
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

  test("a router has a route by every node, with a password, and one less when a node stops", async (t) => {
    const network = requireTool(t, "bird") === null ? null : TestNetwork.open(t);
    if (network === null) return;
    const cluster = await openCluster(t, network, 2);
    const { client: router, nodes } = cluster;
    const [first, second] = nodes as readonly [ClusterNode, ClusterNode];
    await cluster.configure(bgpYaml);
    const options = 'passive on; password "river"; ipv4 { import all; export none; };';
    const neighbors = [1, 2].map(
      (at) => `protocol bgp n${at} { local as 65000; neighbor 10.9.0.${at} as 65001; ${options} }`,
    );
    const bird = await Bird.start(t, router, "10.9.0.99", neighbors.join("\n"));
    await cluster.launch();
    const via = async (): Promise<readonly string[]> =>
      [...(await router.ip("route show 198.51.100.0")).matchAll(/via (\S+)/g)]
        .map(([, address]) => address!)
        .toSorted();

    await eventually(via, (addresses) => addresses.join(" ") === "10.9.0.1 10.9.0.2");
    assert.match(await bird.route("198.51.100.0/32"), /BGP\.community: \(65001,7\)/);
    const { vips: shown, bgpPeers, serviceBGPStatuses } = await first.vips();
    assert.deepEqual(
      shown.map(({ bgp }) => bgp),
      [{ nodes: ["n1"], peers: ["router"] }],
    );
    assert.deepEqual(
      bgpPeers.map(({ state, announcedPrefixes }) => [state, announcedPrefixes]),
      [["Established", 1]],
    );
    assert.deepEqual(
      serviceBGPStatuses.map(({ node, serviceName, peers }) => [node, serviceName, peers]),
      [["n1", "shop", ["router"]]],
    );

    assert.equal(await second.signal("SIGTERM"), 0);
    await eventually(via, (addresses) => addresses.join(" ") === "10.9.0.1", 1_000);
    assert.match(bird.log(), /n2: .*Administrative shutdown/);
    await cluster.configure(bgpYaml.replace("type: LoadBalancer", "type: ClusterIP"));
    await bird.noRoute("198.51.100.0/32");
  });

  test("waits for its router to connect where it is not to connect itself", async (t) => {
    const isThere = requireTool(t, "bird") !== null && requireTool(t, "tcpdump") !== null;
    const network = isThere ? TestNetwork.open(t) : null;
    if (network === null) return;
    const cluster = await openCluster(t, network, 1);
    const [node] = cluster.nodes as readonly [ClusterNode];
    const { client: router } = cluster;
    await cluster.configure(bgpYaml);
    // Whoever begins a connection sends SYN without ACK.
    const begun = await Watcher.frames(router, "tcp port 179 and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn");
    await cluster.launch("--bgp-passive", "--bgp-listen", "179");
    const session = async (): Promise<string | undefined> => (await node.vips()).bgpPeers[0]?.state;
    assert.equal(await session(), "Active");
    const options = 'password "river"; ipv4 { import all; export none; };';
    const neighbor = `protocol bgp n1 { local as 65000; neighbor 10.9.0.1 as 65001; ${options} }`;
    const bird = await Bird.start(t, router, "10.9.0.99", neighbor);
    assert.match(await bird.route("198.51.100.0/32"), /BGP\.community: \(65001,7\)/);
    assert.equal(await session(), "Established");
    const byNode = begun.seen.filter((frame) => frame.slice(12, 24) === node.mac.replaceAll(":", ""));
    assert.deepEqual([begun.seen.length > 0, byNode], [true, []]);
    assert.equal(await node.signal("SIGTERM"), 0);
  });
});

const bgpYaml = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: routed, namespace: metallb-system}
spec: {addresses: [198.51.100.0/28]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: routed, namespace: metallb-system}
spec: {communities: ["65001:7"]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 65001, peerASN: 65000, peerAddress: 10.9.0.99, holdTime: 9s, password: river}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;

/** A gateway on port 80, in front of an origin that says the name of the node. */
async function runGateway(node: ClusterNode): Promise<void> {
  const origin = `require("http").createServer((_, reply) => reply.end("${node.name}")).listen(8080, "127.0.0.1")`;
  node.host.start(process.execPath, "-e", origin);
  const file = await node.write("gateway.yaml", gatewayYaml(8080, "/"));
  await node.runBeside(/gateway is ready/, "gateway", "-f", file, "--concurrency", "1");
  await node.heedAnnouncer();
}
