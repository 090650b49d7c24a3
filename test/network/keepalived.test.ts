// SPDX-License-Identifier: Apache-2.0
// Addresses that somebody else on the network has by VRRP: the real `naru announce` beside keepalived.

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import { requireTool } from "../support/requires.ts";
import { layer2Yaml, openCluster, vips, type Cluster, type ClusterNode } from "./support/announce-cluster.ts";
import { Watcher } from "./support/client-network.ts";
import { Keepalived } from "./support/keepalived.ts";
import { eventually } from "./support/routers.ts";
import { TestNetwork, type Host } from "./support/test-network.ts";

const [vip, vip6] = vips;
const rivalMac = "02:00:00:00:00:77";

interface Rivalry {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  /** Where keepalived may run. */
  readonly rival: Host;
  readonly curl: string;
}

/** One node that does not run yet, and a host for keepalived; null after marking the test as skipped. */
async function openRivalry(t: TestContext): Promise<Rivalry | null> {
  const [keepalived, curl] = [requireTool(t, "keepalived"), requireTool(t, "curl")];
  const network = keepalived === null || curl === null ? null : TestNetwork.open(t);
  if (curl === null || network === null) return null;
  const cluster = await openCluster(t, network, 1);
  const [node] = cluster.nodes as readonly [ClusterNode];
  await cluster.configure(layer2Yaml("shop"));
  const rival = await network.host("rival");
  await network.connect(rival, cluster.lan, { mac: rivalMac, addresses: ["10.9.0.77/24", "fd00:9::77/64"] });
  return { cluster, node, rival, curl };
}

async function conflictsOf({ node, curl }: Rivalry, address: string): Promise<number> {
  const text = await node.host.run(curl, "-s", "http://127.0.0.1:7472/metrics");
  const line = text.split("\n").find((each) => each.startsWith(`naru_layer2_conflicts_total{ip="${address}"}`));
  return Number(line?.split(" ").at(-1));
}

async function phasesOf(node: ClusterNode): Promise<readonly (readonly [string, string])[]> {
  return (await node.vips()).layer2.map(({ ip, phase }) => [ip, phase]);
}

suite("addresses that keepalived has", () => {
  test("are withheld and reported, and taken over when it stops", async (t) => {
    const rivalry = await openRivalry(t);
    if (rivalry === null) return;
    const { cluster, node, rival } = rivalry;
    const keepalived = await Keepalived.start(t, rival, `${vip}/24`, `${vip6}/64`);
    const neighbors = Watcher.neighbors(cluster.client);
    const ask = async (): Promise<string> =>
      cluster.client.run("bash", "-c", `echo > /dev/udp/${vip}/9; echo > /dev/udp/${vip6}/9`);
    const isAt = (address: string, mac: string) => (line: string) =>
      line.startsWith(`${address} `) && line.includes(`lladdr ${mac}`);
    await ask();
    for (const address of vips) await neighbors.until(1, isAt(address, rivalMac));

    node.launch();
    await node.logged(/ announcing /);
    const withheld = await eventually(
      () => phasesOf(node),
      (phases) => phases.every(([, phase]) => phase !== "probing"),
    );
    assert.deepEqual(withheld, [
      [vip, "conflict"],
      [vip6, "conflict"],
    ]);
    const { vips: shown, layer2 } = await node.vips();
    assert.equal(shown[0]?.note, `${vip} is in use by ${rivalMac}; ${vip6} is in use by ${rivalMac}`);
    assert.deepEqual(
      layer2.map(({ interfaces, foreign }) => [interfaces, foreign?.mac]),
      [
        [[], rivalMac],
        [[], rivalMac],
      ],
    );
    for (const address of vips) {
      assert.match(
        node.log,
        new RegExp(`Another host claims an announced address .*${address}.*${rivalMac}.*withheld`),
      );
      assert.ok((await conflictsOf(rivalry, address)) >= 1);
    }
    // Nobody was told otherwise.
    assert.ok(
      !neighbors.seen.some((line) => line.includes(node.mac) && vips.some((each) => line.startsWith(`${each} `))),
    );

    await keepalived.stop();
    await eventually(
      () => phasesOf(node),
      (phases) => phases.every(([, phase]) => phase === "announcing"),
    );
    for (const address of vips) await neighbors.until(1, isAt(address, node.mac));
    assert.equal((await node.vips()).vips[0]?.note, null);
    assert.equal(await node.signal("SIGTERM"), 0);
  });

  test("after naru had them are reported, defended, and kept", async (t) => {
    const rivalry = await openRivalry(t);
    if (rivalry === null) return;
    const { node, rival } = rivalry;
    node.launch("--probe", "off");
    await node.logged(/ announcing /);
    assert.equal(await conflictsOf(rivalry, vip), 0);
    await Keepalived.start(t, rival, `${vip}/24`, `${vip6}/64`);
    for (const address of vips) {
      const line = `Another host claims an announced address .*${address}.*${rivalMac}.*defended`;
      await node.logged(new RegExp(line));
      assert.ok((await conflictsOf(rivalry, address)) >= 1);
    }
    assert.deepEqual(await phasesOf(node), [
      [vip, "announcing"],
      [vip6, "announcing"],
    ]);
    assert.equal(await node.signal("SIGTERM"), 0);
  });
});
