// SPDX-License-Identifier: Apache-2.0
// `naru doctor` on machines that have what it warns of: real interfaces, settings, capabilities and neighbours.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { openWorkspace } from "../cli/support/workspace.ts";
import { requireTool } from "../support/requires.ts";
import { TestNetwork } from "./support/test-network.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

const config = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan}
spec: {addresses: [10.9.0.200-10.9.0.201]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan}
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;

interface Answer {
  readonly findings: readonly { readonly check: string; readonly status: string; readonly what: string }[];
}

/** Of some checks, as `status check: what`. */
function saidBy(text: string, ...checks: readonly string[]): readonly string[] {
  const { findings } = JSON.parse(text) as Answer;
  return findings
    .filter(({ check }) => checks.includes(check))
    .map(({ check, status, what }) => `${status} ${check}: ${what}`);
}

suite("naru doctor", () => {
  test("sees IPVS, two ways out, a neighbour that has an address, and is content once that is repaired", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    await using space = await openWorkspace();
    const file = await space.write("vip.yaml", config);
    const [node, other, lan, backbone] = [
      await network.host("node"),
      await network.host("other"),
      await network.lan("lan"),
      await network.lan("backbone"),
    ];
    await network.connect(node, lan, { addresses: ["10.9.0.1/24"] });
    await network.connect(node, backbone, { interface: "eth1", addresses: ["10.8.0.1/24"] });
    await network.connect(other, lan, { mac: "02:00:00:00:00:02", addresses: ["10.9.0.201/24"] });
    // A dummy in earnest, which not every kernel of a test has.
    await node.ip("link add kube-ipvs0 type bridge", "address add 10.9.0.200/32 dev kube-ipvs0");
    const set = (rpFilter: number, arpIgnore: number, arpAnnounce: number) =>
      node.run(
        "sh",
        "-c",
        `cd /proc/sys/net/ipv4/conf/all; echo ${rpFilter} > rp_filter; echo ${arpIgnore} > arp_ignore; echo ${arpAnnounce} > arp_announce`,
      );
    const ask = () => node.attempt(process.execPath, main, "doctor", "-f", file, "--probe", "on", "-o", "json");

    await set(1, 0, 2);
    const ill = await ask();
    assert.equal(ill.code, 1, ill.stderr);
    const [interfaces, arp, reversePath, announcements, inUse] = saidBy(
      ill.stdout,
      ...["interfaces", "arp", "rp_filter", "announcements", "in-use"],
    );
    assert.equal(interfaces, "ok interfaces: layer 2 can use eth0, eth1");
    assert.match(arp!, /^error arp: kube-proxy with IPVS .*eth0\.arp_ignore is 0.*eth1\.arp_ignore is 0/);
    assert.doesNotMatch(arp!, /arp_announce/);
    assert.match(reversePath!, /^warning rp_filter: .* strict on eth0, eth1, of 2 interfaces/);
    assert.match(announcements!, /^ok /);
    assert.equal(inUse, "error in-use: 10.9.0.201 is answered for by 02:00:00:00:00:02 on eth0");

    await set(2, 1, 2);
    await other.ip("address del 10.9.0.201/24 dev eth0");
    const well = await ask();
    assert.equal(well.code, 0, well.stdout);
    for (const line of saidBy(well.stdout, "arp", "rp_filter", "in-use")) assert.match(line, /^ok /);
  });

  test("misses the capability that layer 2 needs", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    const network = setpriv === null ? null : TestNetwork.open(t);
    if (setpriv === null || network === null) return;
    await using space = await openWorkspace();
    const file = await space.write("vip.yaml", config);
    const [node, lan] = [await network.host("node"), await network.lan("lan")];
    await network.connect(node, lan, { addresses: ["10.9.0.1/24"] });
    const args = ["doctor", "-f", file, "--bind-vip", "-o", "json"];
    const outcome = await node.attempt(setpriv, "--bounding-set=-net_raw,-net_admin", process.execPath, main, ...args);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.deepEqual(saidBy(outcome.stdout, "net-raw", "net-admin", "interfaces"), [
      "error net-raw: CAP_NET_RAW is not there",
      "error net-admin: CAP_NET_ADMIN is not there",
      "ok interfaces: layer 2 can use eth0",
    ]);
  });
});
