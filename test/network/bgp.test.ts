// SPDX-License-Identifier: Apache-2.0
// BGP on a real network against BIRD: what its table holds, byte for byte as we meant it.

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import { requireTool } from "../support/requires.ts";
import { Bird } from "./support/routers.ts";
import { peerConfig, route, SpeakingNode } from "./support/speaking.ts";
import { TestNetwork, type Host } from "./support/test-network.ts";

interface Pair {
  readonly node: Host;
  readonly router: Host;
}

/** A node at .1 and a router at .254 of one Ethernet; null when the test cannot run here. */
async function pair(t: TestContext): Promise<Pair | null> {
  if (requireTool(t, "bird") === null) return null;
  const network = TestNetwork.open(t);
  if (network === null) return null;
  const lan = await network.lan("lan");
  const [node, router] = [await network.host("node"), await network.host("router")];
  await network.connect(node, lan, { addresses: ["10.8.0.1/24", "fd00:8::1/64"] });
  await network.connect(router, lan, { addresses: ["10.8.0.254/24", "fd00:8::254/64"] });
  return { node, router };
}

const v4 = "ipv4 { import all; export none; };";
const v6 = "ipv6 { import all; export none; };";

suite("BGP with BIRD", () => {
  test("external, IPv4: the route with its attributes, and its withdrawal", async (t) => {
    const hosts = await pair(t);
    if (hosts === null) return;
    const neighbor = `protocol bgp from node { local as 65000; neighbor 10.8.0.1 as 65001; passive on; ${v4} }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254" }));
    const attributes = { communities: [65_001 * 65_536 + 7], largeCommunities: [[1, 2, 4_000_000_000]] as const };
    node.setRoutes({ router: [route("198.51.100.1/32", attributes), route("198.51.100.128/25")] });
    assert.deepEqual((await node.up())["holdTimeMs"], 9_000);

    const answer = await bird.route("198.51.100.1/32");
    assert.match(answer, /BGP\.origin: IGP/);
    assert.match(answer, /BGP\.as_path: 65001\n/);
    assert.match(answer, /BGP\.next_hop: 10\.8\.0\.1\n/);
    assert.match(answer, /BGP\.community: \(65001,7\)/);
    assert.match(answer, /BGP\.large_community: \(1, 2, 4000000000\)/);
    assert.match(await bird.route("198.51.100.128/25"), /BGP\.next_hop: 10\.8\.0\.1\n/);

    node.setRoutes({ router: [route("198.51.100.128/25")] });
    await bird.noRoute("198.51.100.1/32");
    await bird.route("198.51.100.128/25");
    await node.stop(false);
    await bird.noRoute("198.51.100.128/25", 1_000);
    assert.match(bird.log(), /Administrative shutdown: "?naru stops/i);
  });
});
