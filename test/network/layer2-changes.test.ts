// SPDX-License-Identifier: Apache-2.0
// What happens to announced addresses when interfaces change and when others claim them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { requireTool } from "../support/requires.ts";
import { bytes, golden, hex } from "../unit/announce/layer2/frames.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { clientMac, firstMac, openClientNetwork, Watcher } from "./support/client-network.ts";
import { TestNetwork } from "./support/test-network.ts";

const vip = "10.9.0.200";
const vip6 = "fd00:9::200";
const interfaces: string[] = [];
const announcement = (mac: string): string =>
  hex(bytes(golden.gratuitousRequest.replaceAll("020000000001", mac.replaceAll(":", ""))));

suite("announced addresses", () => {
  test("are announced again when a cable is plugged in again, and with a new hardware address", async (t) => {
    const network = requireTool(t, "tcpdump") === null ? null : TestNetwork.open(t);
    if (network === null) return;
    const { lan, first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    const wire = await Watcher.frames(client, "arp[7] = 1");
    const isFrom = (mac: string) => (frame: string) => frame === announcement(mac);
    await node.set({ ip: vip, interfaces });
    await wire.until(1, isFrom(firstMac));

    // The other end of the cable: this interface stays switched on, and loses its carrier.
    await lan.host.ip("link set port1 down");
    await node.peer.hear((message) => "links" in message && message.links.includes(`eth0 ${firstMac} true false`));
    assert.deepEqual((await node.report()).status[0]?.interfaces, []);
    const before = wire.seen.filter(isFrom(firstMac)).length;
    await lan.host.ip("link set port1 up");
    await wire.until(before + 1, isFrom(firstMac));

    await first.ip("link set eth0 address 02:00:00:00:00:11");
    await wire.until(1, isFrom("02:00:00:00:00:11"));
    await node.end();
  });

  test("are announced on an interface that comes later, and answered for there", async (t) => {
    const [ndisc6, tcpdump] = [requireTool(t, "ndisc6"), requireTool(t, "tcpdump")];
    const network = ndisc6 === null || tcpdump === null ? null : TestNetwork.open(t);
    if (ndisc6 === null || network === null) return;
    const [lan, host, client] = [await network.lan("lan"), await network.host("node"), await network.host("client")];
    await network.connect(client, lan, { mac: clientMac, addresses: ["fd00:9::99/64"] });
    const node = await AnnouncingNode.start(host);
    await node.set({ ip: vip, interfaces }, { ip: vip6, interfaces });
    assert.deepEqual(
      (await node.report()).status.map((each) => each.interfaces),
      [[], []],
    );
    const wire = await Watcher.frames(client, "arp[7] = 1");
    await network.connect(host, lan, { mac: firstMac });
    await wire.until(1, (frame) => frame === announcement(firstMac));
    const { stdout } = await client.attempt(ndisc6, "-r3", "-w500", "-m", "-n", vip6, "eth0");
    assert.match(stdout, /Target link-layer address: 02:00:00:00:00:01/);
    await node.end();
  });

  test("are withheld as long as another host answers for them", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const { first, client } = await openClientNetwork(network);
    await client.ip(`address add ${vip}/24 dev eth0`, `address add ${vip6}/64 dev eth0`);
    const node = await AnnouncingNode.start(first, { conflictRetryMs: 200 });
    await node.set({ ip: vip, interfaces, probe: true }, { ip: vip6, interfaces, probe: true });
    for (const ip of [vip, vip6]) {
      const message = await node.peer.hear((each) => "conflict" in each && each.conflict.ip === ip);
      assert.deepEqual(message, { conflict: { ip, interface: "eth0", mac: clientMac, action: "withheld" } });
    }
    assert.equal(await node.sample("metallb_layer2_gratuitous_sent", vip), 0);

    const changes = Watcher.neighbors(client);
    await client.ip(`address del ${vip}/24 dev eth0`, `address del ${vip6}/64 dev eth0`);
    await client.run("bash", "-c", `echo > /dev/udp/${vip}/9; echo > /dev/udp/${vip6}/9`);
    for (const ip of [vip, vip6]) await changes.until(1, (line) => line.startsWith(ip) && line.includes(firstMac));
    await node.end();
  });

  test("are announced at once without asking, and defended once against another host", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const { first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    await node.set({ ip: vip, interfaces });
    assert.equal(await node.sample("metallb_layer2_gratuitous_sent", vip), 2);
    await client.ip(`address add ${vip}/24 dev eth0`);
    // Claims it, a second apart.
    await client.run(arping, "-U", "-c2", "-I", "eth0", vip);
    assert.ok((await node.sample("naru_layer2_conflicts_total", vip)) >= 2);
    const actions = node.peer.messages.flatMap((each) => ("conflict" in each ? [each.conflict.action] : []));
    assert.deepEqual(actions, ["defended"]);
    await node.end();
  });
});
