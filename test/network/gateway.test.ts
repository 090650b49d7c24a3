// SPDX-License-Identifier: Apache-2.0
// The real `naru gateway --announce`: it listens on the address of its Service while that is this node's.

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import { gatewayYaml } from "../cli/support/workspace.ts";
import { requireTool } from "../support/requires.ts";
import { openCluster, vips, type Cluster, type ClusterNode } from "./support/announce-cluster.ts";
import { Watcher } from "./support/client-network.ts";
import {
  gatewayService,
  lanYaml,
  launchGateways,
  Load,
  lossesOf,
  monotonicMs,
  ownerOf,
  startOrigin,
} from "./support/gateways.ts";
import { Bird, eventually } from "./support/routers.ts";
import { TestNetwork, type Host } from "./support/test-network.ts";

const [vip, vip6] = vips;
const pinned = `${lanYaml}${gatewayService("gateway", "port: 80")}`;

/** What a client gets; "" = no answer. */
async function ask(client: Host, curl: string, address: string, port = 80): Promise<string> {
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${port}/`;
  return (await client.attempt(curl, "-s", "--max-time", "2", "-H", "host: shop.example", url)).stdout;
}

async function open(
  t: TestContext,
  size: number,
): Promise<{ readonly network: TestNetwork; readonly cluster: Cluster; readonly curl: string } | null> {
  const curl = requireTool(t, "curl");
  const network = curl === null ? null : TestNetwork.open(t);
  return curl === null || network === null ? null : { network, curl, cluster: await openCluster(t, network, size) };
}

/** Where it listens on ports below 1024. */
async function listening({ host }: ClusterNode): Promise<readonly string[]> {
  const lines = (await host.run("ss", "-Hltn")).trim().split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/)[3] ?? "")
    .filter((address) => /:\d{1,3}$/.test(address))
    .toSorted();
}

suite("naru gateway --announce", () => {
  test("listens on the addresses of its Service on the node that announces them, and after its death on another", async (t) => {
    const opened = await open(t, 2);
    if (opened === null) return;
    const { cluster, curl } = opened;
    await cluster.configure(pinned);
    await launchGateways(cluster);
    const owner = await ownerOf(cluster.nodes);
    const heir = cluster.nodes.find((node) => node !== owner)!;
    const { vips: shown } = await heir.vips();
    assert.deepEqual(
      shown.map(({ service, addresses, layer2 }) => [service, addresses, layer2?.node]),
      [["default/gateway", [...vips], owner.name]],
    );
    for (const address of vips) assert.equal(await ask(cluster.client, curl, address), owner.name);
    assert.deepEqual(await listening(owner), [`${vip}:80`, `[${vip6}]:80`]);
    assert.deepEqual(await listening(heir), []);
    assert.match(owner.log, / listening .*address=10\.9\.0\.200:80/);
    const stats = await owner.host.run(curl, "-s", "http://127.0.0.1:15090/stats/prometheus");
    assert.match(stats, /^metallb_speaker_announced\{service="default\/gateway",.*ip="10\.9\.0\.200".*\} 1$/m);

    await owner.signal("SIGKILL");
    const answer = async (): Promise<string> => await ask(cluster.client, curl, vip);
    assert.equal(await eventually(answer, (body) => body !== ""), heir.name);
    assert.equal(await ask(cluster.client, curl, vip6), heir.name);
    assert.equal(await heir.signal("SIGTERM"), 0);
    assert.doesNotMatch(await heir.host.ip("address show dev lo"), new RegExp(vip));
  });

  test("gives its address up when the Service goes, and serves further ones and other ports of theirs", async (t) => {
    const opened = await open(t, 1);
    if (opened === null) return;
    const { cluster, curl } = opened;
    const [node] = cluster.nodes as readonly [ClusterNode];
    await cluster.configure(`${pinned}${gatewayService("second", "port: 81, targetPort: 80", "SingleStack")}`);
    await launchGateways(cluster, "--probe", "off", "--drain-delay-seconds", "0");
    assert.deepEqual(await listening(node), [`${vip}:80`, "10.9.0.201:81", `[${vip6}]:80`]);
    assert.equal(await ask(cluster.client, curl, "10.9.0.201", 81), node.name);

    await cluster.configure(`${lanYaml}${gatewayService("second", "port: 81, targetPort: 80", "SingleStack")}`);
    await eventually(
      () => listening(node),
      (addresses) => addresses.join(" ") === `${vip}:81`,
    );
    assert.equal(await ask(cluster.client, curl, vip, 81), node.name);

    // Nothing selects it any more: the port is where it would be without an address, and the log says why.
    await cluster.configure(lanYaml);
    await node.logged(
      /warning .*gateway\.yaml:2:1 Gateway\/default\/edge spec\.selector: no Service of type LoadBalancer/,
    );
    await eventually(
      () => listening(node),
      (addresses) => addresses.join(" ") === "*:80",
    );
    assert.equal(await node.signal("SIGTERM"), 0);
    assert.doesNotMatch(await node.host.ip("address show dev lo"), /10\.9\.0/);
  });

  test("withholds an address whose port somebody else has, so that another node takes it, until the port is free", async (t) => {
    const opened = await open(t, 2);
    if (opened === null) return;
    const { cluster, curl } = opened;
    await cluster.configure(`${lanYaml}${gatewayService("gateway", "port: 81, targetPort: 80", "SingleStack")}`);
    await launchGateways(cluster, "--probe", "off");
    const owner = await ownerOf(cluster.nodes);
    const heir = cluster.nodes.find((node) => node !== owner)!;
    assert.equal(await ask(cluster.client, curl, vip, 81), owner.name);
    const squatter = owner.host.start(process.execPath, "-e", squat);
    await new Promise((resolve) => squatter.stdout.once("data", resolve));

    // The address stays, and its only port is another one: that is to be had on the other node alone.
    await cluster.configure(`${lanYaml}${gatewayService("gateway", "port: 80", "SingleStack")}`);
    const answer = async (): Promise<string> => await ask(cluster.client, curl, vip);
    assert.equal(await eventually(answer, (body) => body === heir.name), heir.name);
    const { vips: shown, layer2 } = await owner.vips();
    assert.deepEqual([shown[0]!.layer2?.node, layer2], [heir.name, []]);
    assert.match(
      shown[0]!.note ?? "",
      /^10\.9\.0\.200 is not announced from here: cannot listen on 10\.9\.0\.200:80: .*EADDRINUSE/,
    );

    await heir.signal("SIGKILL");
    await eventually(
      async () => (await owner.vips()).vips[0]!.layer2,
      (each) => each === null,
    );
    assert.equal(await answer(), "");
    const stats = await owner.host.run(curl, "-s", "http://127.0.0.1:15090/stats/prometheus");
    assert.doesNotMatch(stats, /^metallb_speaker_announced\{/m);
    squatter.kill("SIGKILL");
    assert.equal(await eventually(answer, (body) => body !== "", 20_000), owner.name);
    assert.equal((await owner.vips()).vips[0]!.note, null);
  });

  test("loses no request that is sent after the address has moved when it is asked to stop", async (t) => {
    const opened = await open(t, 2);
    if (opened === null) return;
    const { cluster } = opened;
    await cluster.configure(pinned);
    await launchGateways(cluster, "--drain-delay-seconds", "1");
    const owner = await ownerOf(cluster.nodes);
    const neighbors = Watcher.neighbors(cluster.client);
    const request = { path: "/", headers: { host: "shop.example" }, expected: "n" };
    const load = new Load(cluster.client, { kept: 4, freshEveryMs: 10, requests: [request] });
    await load.since(0, 100);
    const heirs = (line: string): boolean =>
      line.startsWith(`${vip} `) && line.includes("lladdr") && !line.includes(owner.mac);
    const moved = neighbors.until(1, heirs).then(monotonicMs);
    assert.equal(await owner.signal("SIGTERM"), 0);
    const movedMs = await moved;
    await load.since(movedMs, 200);
    const records = await load.end();
    const { lost, late } = lossesOf(records, movedMs);
    t.diagnostic(`${records.length} requests, ${lost.length} of them lost`);
    assert.deepEqual(late, []);
    // Each connection that is kept has one request in flight, and new ones live for a few milliseconds.
    assert.ok(lost.length <= 8, JSON.stringify(lost));
  });

  test("has the address as long as it announces it by BGP, by which routers spread over all nodes", async (t) => {
    const opened = requireTool(t, "bird") === null ? null : await open(t, 2);
    if (opened === null) return;
    const { cluster, curl } = opened;
    const { client: router, nodes } = cluster;
    const [first, second] = nodes as readonly [ClusterNode, ClusterNode];
    const yaml = bgpYaml("198.51.100.0/28", "10.9.0.99");
    await cluster.configure(`${yaml}${gatewayService("gateway", "port: 80", "SingleStack")}`);
    const neighbors = [1, 2].map(
      (at) =>
        `protocol bgp n${at} { local as 65000; neighbor 10.9.0.${at} as 65001; passive on; ipv4 { import all; export none; }; }`,
    );
    await Bird.start(t, router, "10.9.0.99", neighbors.join("\n"));
    await launchGateways(cluster, "--drain-delay-seconds", "0");
    const via = async (): Promise<readonly string[]> =>
      [...(await router.ip("route show 198.51.100.0")).matchAll(/via (\S+)/g)]
        .map(([, address]) => address!)
        .toSorted();
    await eventually(via, (addresses) => addresses.join(" ") === "10.9.0.1 10.9.0.2");
    for (const node of nodes) assert.deepEqual(await listening(node), ["198.51.100.0:80"]);
    assert.match(await ask(router, curl, "198.51.100.0"), /^n[12]$/);

    assert.equal(await second.signal("SIGTERM"), 0);
    assert.deepEqual(await via(), ["10.9.0.1"]);
    assert.equal(await ask(router, curl, "198.51.100.0"), first.name);
    assert.doesNotMatch(await second.host.ip("address show dev lo"), /198\.51\.100/);
  });

  test("announces IPv6 addresses by BGP over IPv6, and serves what comes by the route", async (t) => {
    const opened = requireTool(t, "bird") === null ? null : await open(t, 1);
    if (opened === null) return;
    const { cluster, curl } = opened;
    const { client: router, nodes } = cluster;
    const [node] = nodes as readonly [ClusterNode];
    const service = gatewayService("gateway", "port: 80", "SingleStack, ipFamilies: [IPv6]");
    await cluster.configure(`${bgpYaml("2001:db8:5::1-2001:db8:5::9", "fd00:9::99")}${service}`);
    const neighbor =
      "protocol bgp n1 { local fd00:9::99 as 65000; neighbor fd00:9::1 as 65001; passive on; ipv6 { import all; export none; }; }";
    const bird = await Bird.start(t, router, "10.9.0.99", neighbor);
    await launchGateways(cluster, "--drain-delay-seconds", "0");
    assert.match(await bird.route("2001:db8:5::1/128"), /BGP\.next_hop: fd00:9::1\b/);
    assert.deepEqual(await listening(node), ["[2001:db8:5::1]:80"]);
    const answer = async (): Promise<string> => await ask(router, curl, "2001:db8:5::1");
    assert.equal(await eventually(answer, (body) => body !== ""), node.name);
    assert.equal(await node.signal("SIGTERM"), 0);
    await bird.noRoute("2001:db8:5::1/128");
  });

  test("serves, withholds and announces again with several threads as with one", async (t) => {
    const opened = await open(t, 1);
    if (opened === null) return;
    const { cluster, curl } = opened;
    const [node] = cluster.nodes as readonly [ClusterNode];
    await cluster.configure(`${lanYaml}${gatewayService("gateway", "port: 81, targetPort: 80")}`);
    await launchGateways(cluster, "--probe", "off", "--concurrency", "2", "--drain-delay-seconds", "0");
    for (const address of vips) assert.equal(await ask(cluster.client, curl, address, 81), node.name);
    assert.deepEqual(await listening(node), [`${vip}:81`, `${vip}:81`, `[${vip6}]:81`, `[${vip6}]:81`]);
    const squatter = node.host.start(process.execPath, "-e", squat);
    await new Promise((resolve) => squatter.stdout.once("data", resolve));
    await cluster.configure(pinned);
    const layer2 = async () => (await node.vips()).layer2.length;
    await eventually(layer2, (count) => count === 0);
    squatter.kill("SIGKILL");
    await eventually(layer2, (count) => count === 2, 20_000);
    for (const address of vips) assert.equal(await ask(cluster.client, curl, address), node.name);
    assert.equal(await node.signal("SIGTERM"), 0);
    assert.doesNotMatch(await node.host.ip("address show dev lo"), new RegExp(vip));
  });

  test("is what naru up does by itself where it may", async (t) => {
    const opened = await open(t, 2);
    if (opened === null) return;
    const { cluster, curl } = opened;
    await cluster.configure(pinned);
    for (const node of cluster.nodes) {
      await startOrigin(node);
      await node.heedAnnouncer();
      node.launchUp(await node.write("gateway.yaml", gatewayYaml(8080, "/")));
    }
    for (const node of cluster.nodes) await node.logged(/ serving /);
    const owner = await ownerOf(cluster.nodes);
    const heir = cluster.nodes.find((node) => node !== owner)!;
    const answer = async (): Promise<string> => await ask(cluster.client, curl, vip);
    assert.equal(await answer(), owner.name);
    assert.equal(await ask(cluster.client, curl, vip6), owner.name);
    assert.match(await cluster.client.ip(`neigh show ${vip}`), new RegExp(owner.mac));
    assert.deepEqual(await listening(owner), [`${vip}:80`, `[${vip6}]:80`]);
    await owner.signal("SIGKILL");
    assert.equal(await eventually(answer, (body) => body !== ""), heir.name);
    assert.equal(await heir.signal("SIGTERM"), 0);
  });

  test("says which capability it lacks", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    const opened = setpriv === null ? null : await open(t, 1);
    if (setpriv === null || opened === null) return;
    const { cluster } = opened;
    const [node] = cluster.nodes as readonly [ClusterNode];
    await cluster.configure(pinned);
    const failure = async (...lacking: readonly string[]): Promise<readonly [number, string]> => {
      const { code, stderr } = await node.runGatewayBy(setpriv, `--bounding-set=${lacking.join(",")}`);
      return [code, stderr.slice(stderr.indexOf("naru: "))];
    };
    const [admin, raw] = [await failure("-net_admin"), await failure("-net_raw")];
    assert.deepEqual([admin[0], raw[0]], [1, 1]);
    assert.match(admin[1], /^naru: --announce cannot .*: CAP_NET_ADMIN is missing\nIt needs CAP_NET_ADMIN and/);
    assert.match(raw[1], /^naru: --announce cannot .*: CAP_NET_RAW is missing\n/);
  });
});

/** Has port 80 of every address. */
const squat = 'require("net").createServer((socket) => socket.destroy()).listen(80, () => console.log("up"))';

function bgpYaml(addresses: string, router: string): string {
  return `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: routed, namespace: metallb-system}
spec: {addresses: [${JSON.stringify(addresses)}]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: routed, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 65001, peerASN: 65000, peerAddress: ${JSON.stringify(router)}, holdTime: 9s}
`;
}
