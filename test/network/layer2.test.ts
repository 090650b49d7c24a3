// SPDX-License-Identifier: Apache-2.0
// Layer 2 on a real network: what Debian's own programs and the kernel of a client see of announced addresses.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireTool } from "../support/requires.ts";
import { bytes, golden, hex, resealed } from "../unit/announce/layer2/frames.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { firstMac, openClientNetwork, secondMac, Watcher } from "./support/client-network.ts";
import { TestNetwork } from "./support/test-network.ts";

const sendFrames = fileURLToPath(new URL("support/send-frames.ts", import.meta.url));
const vip = "10.9.0.200";
const vip6 = "fd00:9::200";
const interfaces: string[] = [];
const frame = (digits: string): string => hex(bytes(digits));

suite("addresses on a real network", () => {
  test("answer arping from the node's hardware address, and only while they are announced", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const { first, second, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    const other = await AnnouncingNode.start(second);
    const ask = async (): Promise<string> => (await client.attempt(arping, "-c2", "-w1", "-I", "eth0", vip)).stdout;

    assert.match(await ask(), /Received 0 response/);
    await node.set({ ip: vip, interfaces });
    await other.set({ ip: "10.9.0.201", interfaces });
    const answered = await ask();
    assert.match(answered, /reply from 10\.9\.0\.200 \[02:00:00:00:00:01\]/);
    assert.doesNotMatch(answered, /02:00:00:00:00:02/);
    await node.set();
    assert.match(await ask(), /Received 0 response/);
    await node.end();
    await other.end();
  });

  test("answer ndisc6 from the node's hardware address", async (t) => {
    const ndisc6 = requireTool(t, "ndisc6");
    const network = ndisc6 === null ? null : TestNetwork.open(t);
    if (ndisc6 === null || network === null) return;
    const { first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    const ask = async (): Promise<string> =>
      (await client.attempt(ndisc6, "-r1", "-w300", "-m", "-n", vip6, "eth0")).stdout;

    assert.match(await ask(), /No response/);
    await node.set({ ip: vip6, interfaces: ["eth0"] });
    const answered = await ask();
    assert.match(answered, /Target link-layer address: 02:00:00:00:00:01/);
    assert.match(answered, /from fd00:9::200/);
    assert.equal(answered.match(/Target link-layer address/g)?.length, 1);
    assert.equal(await node.sample("metallb_layer2_responses_sent", vip6), 1);
    await node.end();
  });

  test("are announced and answered for in the bytes that Linux uses for its own", async (t) => {
    const network = requireTool(t, "tcpdump") === null ? null : TestNetwork.open(t);
    if (network === null) return;
    const { first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    const wire = await Watcher.frames(client, "ether src 02:00:00:00:00:01 and (arp or icmp6[0] = 136)");

    await node.set({ ip: vip, interfaces }, { ip: vip6, interfaces });
    const announced = await wire.until(3);
    assert.deepEqual(announced.slice(0, 3), [
      frame(golden.gratuitousRequest),
      frame(golden.gratuitousReply),
      frame(golden.unsolicitedAdvertisement),
    ]);

    await client.run(
      process.execPath,
      sendFrames,
      frame(golden.arpRequest),
      frame(golden.checkingSolicitation),
      frame(golden.solicitation),
      // A check of a known neighbor: by unicast, and without its own hardware address.
      hex(resealed(withoutOption(golden.solicitation).replace("3333ff000200", "020000000001"), 38, vip6Digits)),
      // As long as an Ethernet allows, for a signature (RFC 3971).
      hex(resealed(golden.solicitation, 0, "", "0cb2".padEnd(2 * 1_424, "0"))),
    );
    await wire.until(1, (each) => each === frame(golden.arpReply));
    await wire.until(3, (each) => each === frame(golden.solicitedAdvertisement));
    // The check is answered as announcements look.
    assert.equal(await node.sample("metallb_layer2_responses_sent", vip6), 4);
    const known: readonly string[] = [
      golden.gratuitousRequest,
      golden.gratuitousReply,
      golden.unsolicitedAdvertisement,
      golden.arpReply,
      golden.solicitedAdvertisement,
    ].map((each) => frame(each));
    assert.deepEqual(
      wire.seen.filter((each) => !known.includes(each)),
      [],
    );
    await node.end();
  });

  test("move in the client's neighbor table when another node announces them", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const { first, second, client } = await openClientNetwork(network);
    const [node, other] = [await AnnouncingNode.start(first), await AnnouncingNode.start(second)];
    const changes = Watcher.neighbors(client);
    const at = (address: string, mac: string) => (line: string) => line.startsWith(`${address} `) && line.includes(mac);

    await node.set({ ip: vip, interfaces }, { ip: vip6, interfaces });
    await client.run("bash", "-c", `echo > /dev/udp/${vip}/9; echo > /dev/udp/${vip6}/9`);
    await changes.until(1, at(vip, firstMac));
    await changes.until(1, at(vip6, firstMac));
    await node.set();
    await other.set({ ip: vip, interfaces }, { ip: vip6, interfaces });
    await changes.until(1, at(vip, secondMac));
    await changes.until(1, at(vip6, secondMac));
    assert.match(await client.ip(`neigh show ${vip} dev eth0`), new RegExp(secondMac));
    assert.match(await client.ip(`-6 neigh show ${vip6} dev eth0`), new RegExp(secondMac));
    await node.end();
    await other.end();
  });

  test("cannot be taken by a host that checks first", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const { first, client } = await openClientNetwork(network);
    const node = await AnnouncingNode.start(first);
    await node.set({ ip: vip, interfaces }, { ip: vip6, interfaces });

    // Duplicate address detection: of iputils, which fails when it gets an answer, and of the kernel.
    assert.equal((await client.attempt(arping, "-D", "-c1", "-w2", "-I", "eth0", vip)).code, 1);
    await client.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad");
    const addresses = client.start("ip", "-o", "-6", "monitor", "address");
    const failed = new Promise<void>((resolve) => {
      addresses.stdout.on("data", (text: Buffer) => {
        if (/fd00:9::200.*dadfailed/.test(text.toString())) resolve();
      });
    });
    await client.ip(`-6 address add ${vip6}/64 dev eth0`);
    await failed;
    await node.end();
  });

  test("answer on the interfaces of the announcement only, each with its hardware address", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const [left, right] = [await network.lan("left"), await network.lan("right")];
    const host = await network.host("node");
    const [near, far] = [await network.host("near"), await network.host("far")];
    await network.connect(host, left, { interface: "eth0", mac: firstMac });
    await network.connect(host, right, { interface: "eth1", mac: "02:00:00:00:00:11" });
    await network.connect(near, left, { addresses: ["10.9.0.98/24"] });
    await network.connect(far, right, { addresses: ["10.9.0.99/24"] });
    const node = await AnnouncingNode.start(host);
    const ask = async (client: typeof near): Promise<string> =>
      (await client.attempt(arping, "-c1", "-w1", "-I", "eth0", vip)).stdout;

    await node.set({ ip: vip, interfaces: ["eth1"] });
    assert.match(await ask(near), /Received 0 response/);
    assert.match(await ask(far), /\[02:00:00:00:00:11\]/);
    await node.set({ ip: vip, interfaces });
    assert.match(await ask(near), /\[02:00:00:00:00:01\]/);
    assert.match(await ask(far), /\[02:00:00:00:00:11\]/);
    await node.end();
  });

  test("answer once on a bridge, from its hardware address, and not on its ports", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const [lan, host, client] = [await network.lan("lan"), await network.host("node"), await network.host("client")];
    await network.connect(host, lan, { mac: firstMac });
    await network.connect(client, lan, { addresses: ["10.9.0.99/24"] });
    await host.ip("link add br0 address 02:00:00:00:00:bb type bridge", "link set br0 up", "link set eth0 master br0");
    const node = await AnnouncingNode.start(host);
    await node.set({ ip: vip, interfaces });
    const { stdout } = await client.attempt(arping, "-c1", "-w2", "-I", "eth0", vip);
    assert.match(stdout, /\[02:00:00:00:00:BB\]/);
    assert.match(stdout, /Received 1 response/);
    assert.deepEqual((await node.report()).status[0]?.interfaces, ["br0"]);
    await node.end();
  });

  test("need the capability NET_RAW and node:ffi, which is said where they are missing", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    const network = setpriv === null ? null : TestNetwork.open(t);
    if (setpriv === null || network === null) return;
    const host = await network.host("node");
    const { code, stderr } = await host.attempt(setpriv, "--bounding-set=-net_raw", process.execPath, sendFrames);
    assert.notEqual(code, 0);
    assert.match(stderr, /packet sockets need the capability NET_RAW: run as root/);
    // And node:ffi.
    const without = await host.attempt(process.execPath, "--no-experimental-ffi", sendFrames);
    assert.notEqual(without.code, 0);
    assert.match(without.stderr, /this Node has no node:ffi; Node 26\.5 or newer has it, unless --no-experimental-ffi/);
  });
});

const vip6Digits = "fd000009000000000000000000000200";

function withoutOption(digits: string): string {
  return digits.replaceAll(" ", "").slice(0, 156);
}
