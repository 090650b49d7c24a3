// SPDX-License-Identifier: Apache-2.0
// Addresses bound on the node that announces them: connections of a client arrive.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireTool } from "../support/requires.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { openClientNetwork } from "./support/client-network.ts";
import { type Host, TestNetwork } from "./support/test-network.ts";

const bind = fileURLToPath(new URL("support/bind.ts", import.meta.url));
const vip = "10.9.0.200";
const vip6 = "fd00:9::200";

interface Outcome {
  readonly problems: readonly (string | null)[];
  readonly hazards: readonly string[];
}

async function change(host: Host, action: "bind" | "unbind", ...addresses: readonly string[]): Promise<Outcome> {
  return JSON.parse(await host.run(process.execPath, bind, action, ...addresses)) as Outcome;
}

suite("bound addresses", () => {
  test("are reached by a client, until they are taken back", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const { first, second, client } = await openClientNetwork(network);
    for (const host of [first, second]) {
      await host.run("sh", "-c", "cd /proc/sys/net/ipv4/conf/all; echo 1 > arp_ignore; echo 2 > arp_announce");
      assert.deepEqual(await change(host, "bind", vip, vip6), { problems: [null, null], hazards: [] });
      const server = host.start(
        process.execPath,
        "-e",
        `require("node:net").createServer((socket) => socket.end("${host.namespace}")).listen(80, () => console.log("up"))`,
      );
      await new Promise((resolve) => server.stdout.once("data", resolve));
    }
    // Both have the addresses; who announces them decides.
    const [node, other] = [await AnnouncingNode.start(first), await AnnouncingNode.start(second)];
    await node.set({ ip: vip, interfaces: [] });
    await other.set({ ip: vip6, interfaces: [] });
    const ask = async (address: string): Promise<string> =>
      client.run("bash", "-c", `exec 3<>/dev/tcp/${address}/80; cat <&3`);
    assert.equal(await ask(vip), first.namespace);
    assert.equal(await ask(vip6), second.namespace);

    assert.match(
      await first.ip("-o address show dev lo"),
      /10\.9\.0\.200\/32 .*deprecated .*valid_lft (?:300|29\d)sec/,
    );
    assert.match(await first.ip("-o -6 address show dev lo"), /fd00:9::200\/128 .*deprecated/);
    // Again, as to renew them; twice gone.
    assert.deepEqual((await change(first, "bind", vip, vip6)).problems, [null, null]);
    assert.deepEqual((await change(first, "unbind", vip, vip6)).problems, [null, null]);
    assert.deepEqual((await change(first, "unbind", vip, vip6)).problems, [null, null]);
    assert.doesNotMatch(await first.ip("-o address show dev lo"), /200/);
    await node.end();
    await other.end();
  });

  test("are a hazard while the kernel answers for all of its addresses", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const { first } = await openClientNetwork(network);
    await first.run(
      "sh",
      "-c",
      "cd /proc/sys/net/ipv4/conf; for each in all eth0; do echo 0 > $each/arp_ignore; echo 0 > $each/arp_announce; done",
    );
    assert.deepEqual((await change(first, "unbind")).hazards, [
      "net.ipv4.conf.eth0.arp_ignore is 0: this kernel answers ARP for addresses of all its interfaces; " +
        "set net.ipv4.conf.all.arp_ignore to 1",
      "net.ipv4.conf.eth0.arp_announce is 0: this kernel asks by ARP in the name of any of its addresses; " +
        "set net.ipv4.conf.all.arp_announce to 2",
    ]);
  });

  test("need the capability NET_ADMIN, which is said where it is missing", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    const network = setpriv === null ? null : TestNetwork.open(t);
    if (setpriv === null || network === null) return;
    const host = await network.host("node");
    const output = await host.run(setpriv, "--bounding-set=-net_admin", process.execPath, bind, "bind", vip);
    assert.deepEqual((JSON.parse(output) as Outcome).problems, [
      "10.9.0.200 cannot be bound: EPERM, which needs the capability NET_ADMIN",
    ]);
  });
});
