// SPDX-License-Identifier: Apache-2.0
// Layer 2 on a real network: what Debian's own programs and the kernel of a client see of announced addresses.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { requireTool } from "../support/requires.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { TestNetwork } from "./support/test-network.ts";

const nodeMac = "02:00:00:00:00:01";
const otherMac = "02:00:00:00:00:02";
const clientMac = "02:00:00:00:00:99";

/** Two nodes and a client on one Ethernet. */
async function threeHosts(network: TestNetwork) {
  const lan = await network.lan("lan");
  const [first, second, client] = [await network.host("n1"), await network.host("n2"), await network.host("client")];
  await network.connect(first, lan, { mac: nodeMac, addresses: ["10.9.0.1/24", "fd00:9::1/64"] });
  await network.connect(second, lan, { mac: otherMac, addresses: ["10.9.0.2/24", "fd00:9::2/64"] });
  await network.connect(client, lan, { mac: clientMac, addresses: ["10.9.0.99/24", "fd00:9::99/64"] });
  return { lan, first, second, client };
}

suite("layer 2 on a real network", () => {
  test("arping gets the node's hardware address, and only while the address is announced", async (t) => {
    const arping = requireTool(t, "arping");
    const network = arping === null ? null : TestNetwork.open(t);
    if (arping === null || network === null) return;
    const { first, client } = await threeHosts(network);
    const node = await AnnouncingNode.start(first);
    const ask = async (): Promise<string> =>
      (await client.attempt(arping, "-c1", "-w1", "-I", "eth0", "10.9.0.200")).stdout;

    assert.match(await ask(), /Received 0 response/);
    await node.set({ ip: "10.9.0.200", interfaces: [] });
    const answered = await ask();
    assert.match(answered, /reply from 10\.9\.0\.200 \[02:00:00:00:00:01\]/);
    assert.match(answered, /Received 1 response/);
    await node.set();
    assert.match(await ask(), /Received 0 response/);
    await node.end();
  });

  test("ndisc6 gets the node's hardware address", async (t) => {
    const ndisc6 = requireTool(t, "ndisc6");
    const network = ndisc6 === null ? null : TestNetwork.open(t);
    if (ndisc6 === null || network === null) return;
    const { first, client } = await threeHosts(network);
    const node = await AnnouncingNode.start(first);
    const ask = async () => client.attempt(ndisc6, "-r1", "-w500", "-m", "-n", "fd00:9::200", "eth0");

    assert.match((await ask()).stdout, /No response/);
    await node.set({ ip: "fd00:9::200", interfaces: ["eth0"] });
    const { stdout } = await ask();
    assert.match(stdout, /Target link-layer address: 02:00:00:00:00:01/);
    assert.match(stdout, /from fd00:9::200/);
    assert.equal(stdout.match(/Target link-layer address/g)?.length, 1);
    await node.end();
  });
});
