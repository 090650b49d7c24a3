// SPDX-License-Identifier: Apache-2.0
// What `naru announce` must be allowed to do: CAP_NET_RAW for layer 2, and nothing for BGP, passwords of both directions
// included.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireTool } from "../support/requires.ts";
import { layer2Yaml, openCluster, vips, type ClusterNode } from "./support/announce-cluster.ts";
import { Bird } from "./support/routers.ts";
import { collect, moreOf, TestNetwork, type HostProcess } from "./support/test-network.ts";

const naru = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const [vip] = vips;

/** Nothing listens on port 1 of the router "caller", so its session is the one that it opens itself. */
const bgpYaml = `---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: lan, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: caller, namespace: metallb-system}
spec: {myASN: 65001, peerASN: 65000, peerAddress: 10.9.0.99, peerPort: 1, password: river}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: called, namespace: metallb-system}
spec: {myASN: 65001, peerASN: 65000, peerAddress: 10.9.0.98, password: lake}
`;

const importing = "ipv4 { import all; export none; };";
const callerConfig = `protocol bgp n1 {
  local 10.9.0.99 as 65000; neighbor 10.9.0.1 port 1790 as 65001; password "river"; ${importing}
}`;
const calledConfig = `protocol bgp n1 {
  local 10.9.0.98 as 65000; neighbor 10.9.0.1 as 65001; passive on; password "lake"; ${importing}
}`;

/** Resolves once `naru announce`, started by way of `setpriv`, has logged a match. */
async function announceBy(
  setpriv: readonly [string, ...string[]],
  node: ClusterNode,
  pattern: RegExp,
  yaml: string,
  ...options: readonly string[]
): Promise<HostProcess> {
  const file = await node.write("all.yaml", yaml);
  const [program, ...flags] = setpriv;
  const announcer = node.host.start(program, ...flags, process.execPath, naru, "announce", "-f", file, ...options);
  announcer.stdout.resume();
  const log = collect(announcer.stderr);
  while (!pattern.test(log())) {
    if (announcer.exitCode !== null) throw new Error(`naru announce ended: ${log()}`);
    await moreOf(announcer.stderr, announcer);
  }
  return announcer;
}

suite("privileges", () => {
  test("CAP_NET_RAW alone is enough for layer 2, and for BGP with passwords both ways", async (t) => {
    const [setpriv, arping, bird] = [requireTool(t, "setpriv"), requireTool(t, "arping"), requireTool(t, "bird")];
    const network = setpriv === null || bird === null ? null : TestNetwork.open(t);
    if (setpriv === null || arping === null || network === null) return;
    const cluster = await openCluster(t, network, 1);
    const { client, nodes, lan } = cluster;
    const [node] = nodes as readonly [ClusterNode];
    const other = await network.host("called");
    await network.connect(other, lan, { addresses: ["10.9.0.98/24"] });
    const routers = [
      await Bird.start(t, client, "10.9.0.99", callerConfig),
      await Bird.start(t, other, "10.9.0.98", calledConfig),
    ];

    const restricted = [setpriv, "--inh-caps=-all", "--bounding-set=-all,+net_raw"] as const;
    const [program, ...flags] = restricted;
    // Of all capabilities that one: its number is 13.
    assert.match(await node.host.run(program, ...flags, "cat", "/proc/self/status"), /CapEff:\t0*2000\n/);
    const yaml = layer2Yaml("shop") + bgpYaml;
    await announceBy([...restricted], node, / announcing /, yaml, "--bgp-listen", "1790", "--probe", "off");
    for (const router of routers) assert.match(await router.route(`${vip}/32`), /BGP\.as_path: 65001/);
    const { stdout } = await client.attempt(arping, "-c1", "-w2", "-I", "eth0", vip);
    assert.match(stdout, new RegExp(`\\[${node.mac}\\]`, "i"));
  });

  test("without CAP_NET_RAW it does not start where layer 2 is asked for, and says what to do", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    const network = setpriv === null ? null : TestNetwork.open(t);
    if (setpriv === null || network === null) return;
    const cluster = await openCluster(t, network, 1);
    const [node] = cluster.nodes as readonly [ClusterNode];
    const without = [setpriv, "--inh-caps=-all", "--bounding-set=-all"] as [string, ...string[]];
    await announceBy(without, node, /packet sockets need the capability NET_RAW/, layer2Yaml("shop"));
  });
});
