// SPDX-License-Identifier: Apache-2.0
// Addresses on interfaces that are made of others: VLANs and macvlans above one, bonds and bridges of several.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireLink, requireTool } from "../support/requires.ts";
import { bytes, golden, hex } from "../unit/announce/layer2/frames.ts";
import { layer2Yaml, openCluster, vips, type ClusterNode } from "./support/announce-cluster.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { clientMac, firstMac, openClientNetwork, Watcher } from "./support/client-network.ts";
import { eventually } from "./support/routers.ts";
import { TestNetwork } from "./support/test-network.ts";

const sendFrames = fileURLToPath(new URL("support/send-frames.ts", import.meta.url));
const [vip] = vips;
const innerVip = "10.9.7.200";
const innerMac = "02:00:00:00:00:71";
const spareMac = "02:00:00:00:00:12";

const announcement = (mac: string): string =>
  hex(bytes(golden.gratuitousRequest.replaceAll("020000000001", mac.replaceAll(":", ""))));

/** Hardware addresses that answered arping, in capitals as it prints them. */
function answersIn(output: string): readonly string[] {
  return [...new Set([...output.matchAll(/\[([0-9A-F:]{17})\]/gi)].map(([, mac]) => mac!.toLowerCase()))];
}

const uppers = [
  { kind: "VLAN", type: "vlan id 7", isSeparate: true },
  { kind: "macvlan", type: "macvlan mode bridge", isSeparate: false },
] as const;

/** `changeMac` gives it `spareMac`: a bond takes the one of the port that goes on. */
const aggregates = [
  { kind: "bridge", type: "bridge", changeMac: { host: [`link set lan0 address ${spareMac}`], lan: [] } },
  {
    kind: "bond",
    type: "bond mode active-backup miimon 20 fail_over_mac active",
    changeMac: { host: [], lan: ["link set port1 down"] },
  },
] as const;

suite("interfaces above another one", () => {
  for (const { kind, type, isSeparate } of uppers) {
    test(`a ${kind} that an L2Advertisement names is announced on, and the one below it is not`, async (t) => {
      const arping = requireTool(t, "arping");
      const network = arping === null ? null : TestNetwork.open(t);
      if (arping === null || network === null) return;
      const cluster = await openCluster(t, network, 1);
      const { client, nodes } = cluster;
      const [node] = nodes as readonly [ClusterNode];
      for (const [host, mac, own] of [
        [node.host, innerMac, "10.9.7.1/24"],
        [client, "02:00:00:00:00:79", "10.9.7.99/24"],
      ] as const) {
        const make = `link add link eth0 name eth0.7 address ${mac} type ${type}`;
        if (!(await requireLink(t, () => host.ip(make)))) return;
        await host.ip("link set eth0.7 up", `address add ${own} dev eth0.7`);
      }
      // Nothing answers for addresses of another of its interfaces.
      await node.host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore");
      const yaml = layer2Yaml("shop")
        .replace("10.9.0.200-10.9.0.210", "10.9.7.200-10.9.7.210")
        .replace("kind: L2Advertisement\n", "kind: L2Advertisement\nspec: {interfaces: [eth0.7]}\n");
      await cluster.configure(yaml);
      const interfaces = async () => {
        const { layer2 } = await node.vips();
        return layer2.map((each) => `${each.ip} ${each.phase} ${each.interfaces.join()}`);
      };
      const isAnnounced = `${innerVip} announcing eth0.7`;
      const ask = async (from: string): Promise<readonly string[]> => {
        const { stdout } = await client.attempt(arping, "-b", "-c2", "-w2", "-I", from, innerVip);
        return answersIn(stdout);
      };

      node.launch();
      await node.logged(/ announcing /);
      await eventually(interfaces, ([first]) => first === isAnnounced);
      assert.deepEqual(await ask("eth0.7"), [innerMac]);
      if (isSeparate) assert.deepEqual(await ask("eth0"), []);

      // What lies below loses its cable and gets it back.
      await cluster.lan.host.ip("link set port1 down");
      await eventually(interfaces, (all) => !all.includes(isAnnounced));
      await cluster.lan.host.ip("link set port1 up");
      await eventually(interfaces, ([first]) => first === isAnnounced);
      assert.deepEqual(await ask("eth0.7"), [innerMac]);

      await node.host.ip("link set eth0.7 address 02:00:00:00:00:72");
      const moved = await eventually(
        () => ask("eth0.7"),
        (macs) => !macs.includes(innerMac),
      );
      assert.deepEqual(moved, ["02:00:00:00:00:72"]);
      assert.equal(await node.signal("SIGTERM"), 0);
    });
  }

  test("what belongs to another VLAN of the same cable is neither answered nor a conflict", async (t) => {
    const network = requireTool(t, "tcpdump") === null ? null : TestNetwork.open(t);
    if (network === null) return;
    const { first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    await node.set({ ip: vip, interfaces: [] });
    const wire = await Watcher.frames(client, "arp[7] = 2 and ether dst 02:00:00:00:00:99");
    const tagged = (vlan: string, frame: string): string => hex(bytes(frame)).replace(/^.{24}/, `$&8100${vlan}`);
    const claim = golden.gratuitousRequest.replaceAll("020000000001", "020000000066");
    const send = async (...frames: readonly string[]): Promise<void> => {
      await client.run(process.execPath, sendFrames, ...frames);
    };

    await send(tagged("0007", golden.arpRequest), tagged("0007", claim));
    // A tag that says no more than how urgent it is (IEEE 802.1Q §6.9.1).
    await send(tagged("0000", golden.arpRequest));
    await wire.until(1);
    assert.deepEqual(
      wire.seen.map((each) => each.slice(0, 84)),
      [hex(bytes(golden.arpReply)).slice(0, 84)],
    );
    assert.equal(await node.sample("metallb_layer2_requests_received", vip), 1);
    assert.equal(await node.sample("naru_layer2_conflicts_total", vip), 0);
    await send(tagged("0000", claim));
    await node.peer.hear((message) => "conflict" in message && message.conflict.mac === "02:00:00:00:00:66");
    await node.end();
  });
});

suite("interfaces of several others", () => {
  for (const { kind, type, changeMac } of aggregates) {
    test(`a ${kind} is announced on, and its ports are not; also after changes of carrier and hardware address`, async (t) => {
      const network = requireTool(t, "tcpdump") === null ? null : TestNetwork.open(t);
      if (network === null) return;
      const [lan, host, client] = [await network.lan("lan"), await network.host("node"), await network.host("client")];
      await network.connect(host, lan, { interface: "eth0", mac: firstMac });
      await network.connect(host, lan, { interface: "eth1", mac: spareMac });
      await network.connect(client, lan, { mac: clientMac, addresses: ["10.9.0.99/24"] });
      if (!(await requireLink(t, () => host.ip(`link add lan0 type ${type}`)))) return;
      // Two ports of a bridge that does not look for loops would be one.
      const ports = kind === "bond" ? ["eth0", "eth1"] : ["eth0"];
      for (const port of ports) await host.ip(`link set ${port} down`, `link set ${port} master lan0`);
      for (const port of ports) await host.ip(`link set ${port} up`);
      if (kind === "bridge") await host.ip("link set eth1 down");
      await host.ip("link set lan0 up", "address add 10.9.0.1/24 dev lan0");

      const node = await AnnouncingNode.start(host);
      const wire = await Watcher.frames(client, "arp[7] = 1");
      const isFrom = (mac: string) => (frame: string) => frame === announcement(mac);
      const interfaces = async (): Promise<string> => {
        const { status } = await node.report();
        return status.map((each) => each.interfaces.join()).join();
      };
      await node.set({ ip: vip, interfaces: [] });
      await wire.until(1, isFrom(firstMac));
      assert.equal(await interfaces(), "lan0");

      await host.ip(...changeMac.host);
      await lan.host.ip(...changeMac.lan);
      await wire.until(1, isFrom(spareMac));
      assert.equal(await interfaces(), "lan0");

      const cables = kind === "bond" ? ["port1", "port2"] : ["port1"];
      for (const cable of cables) await lan.host.ip(`link set ${cable} down`);
      await eventually(interfaces, (names) => names === "");
      const before = wire.seen.filter(isFrom(spareMac)).length;
      await lan.host.ip(`link set ${cables.at(-1)!} up`);
      await wire.until(before + 1, isFrom(spareMac));
      assert.equal(await interfaces(), "lan0");
      await node.end();
    });
  }
});
