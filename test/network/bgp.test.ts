// SPDX-License-Identifier: Apache-2.0
// BGP on a real network against BIRD: what its table holds, byte for byte as we meant it.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { requireTool } from "../support/requires.ts";
import { Bird, eventually, kill, nodeAndRouter } from "./support/routers.ts";
import { peerConfig, route, SpeakingNode } from "./support/speaking.ts";
import { collect, TestNetwork } from "./support/test-network.ts";

const v4 = "ipv4 { import all; export none; };";
const v6 = "ipv6 { import all; export none; };";

suite("BGP with BIRD", () => {
  test("external, IPv4: the route with its attributes, and its withdrawal", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
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

  test("external, IPv6", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node { local as 65000; neighbor fd00:8::1 as 65001; passive on; ${v6} }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "fd00:8::254" }));
    node.setRoutes({ router: [route("2001:db8::1/128"), route("198.51.100.1/32")] });
    await node.up();
    const answer = await bird.route("2001:db8::1/128");
    assert.match(answer, /BGP\.as_path: 65001\n/);
    assert.match(answer, /BGP\.next_hop: fd00:8::1\n/);
    const status = await node.status();
    assert.deepEqual(status.agreed?.families, [6]);
    assert.equal(status.announcedPrefixes, 1);
    assert.equal(status.pendingPrefixes, 1, "IPv4 is not of this session");
    await node.stop(false);
    await bird.noRoute("2001:db8::1/128", 1_000);
  });

  test("both families over one session, with the node's global IPv6 address as next hop", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node { local as 65000; neighbor 10.8.0.1 as 65001; passive on; ${v4} ${v6} }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254", bothFamilies: true }));
    node.setRoutes({ router: [route("2001:db8::1/128"), route("198.51.100.1/32")] });
    await node.up();
    assert.match(await bird.route("2001:db8::1/128"), /BGP\.next_hop: fd00:8::1\n/);
    assert.match(await bird.route("198.51.100.1/32"), /BGP\.next_hop: 10\.8\.0\.1\n/);
    await node.stop(false);
  });

  test("internal: local preference, an empty path and a 4-octet AS number", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const asn = 4_200_000_000;
    const neighbor = `protocol bgp from node { local as ${asn}; neighbor 10.8.0.1 as ${asn}; passive on; ${v4} }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254", localAsn: asn, peerAsn: "internal" }));
    node.setRoutes({ router: [route("198.51.100.1/32", { localPref: 250 }), route("198.51.100.2/32")] });
    await node.up();
    const answer = await bird.route("198.51.100.1/32");
    assert.match(answer, /BGP\.local_pref: 250\n/);
    assert.match(answer, /BGP\.as_path: *\n/);
    assert.match(await bird.route("198.51.100.2/32"), /BGP\.local_pref: 100\n/);
    await node.stop(false);
  });

  test("a peer without 4-octet AS numbers gets paths of two octets", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; passive on; enable as4 off; ${v4}
    }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254" }));
    node.setRoutes({ router: [route("198.51.100.1/32")] });
    await node.up();
    assert.match(await bird.route("198.51.100.1/32"), /BGP\.as_path: 65001\n/);
    await node.stop(false);
  });

  test("MD5: with the right password the session comes up, with a wrong one it does not", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; passive on; password "s3cret"; ${v4}
    }`;
    await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setRoutes({});
    node.setPeers(peerConfig({ address: "10.8.0.254", password: "wrong" }));
    const wrong = await node.logged("BGP session does not come up");
    assert.match(String(wrong["reason"]), /no answer to the attempt to connect/);
    const from = node.peer.messages.length;
    node.setPeers(peerConfig({ address: "10.8.0.254", password: "s3cret" }));
    await node.up(from);
    assert.ok(!JSON.stringify(node.peer.messages).includes("s3cret"), "no password in a log");
    await node.stop(false);
  });

  test("MD5 when the peer connects to us", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; password "s3cret"; ${v4}
    }`;
    const node = await SpeakingNode.start(hosts.node, { listen: { addresses: ["0.0.0.0", "::"], port: 179 } });
    node.setPeers(peerConfig({ address: "10.8.0.254", passive: true, password: "s3cret" }));
    node.setRoutes({ router: [route("198.51.100.1/32")] });
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    await node.up();
    await bird.route("198.51.100.1/32");
    await node.stop(false);
  });

  for (const passive of [false, true]) {
    const who = passive ? "the peer connects" : "we connect";
    test(`TTL security, ${who}: both ends take only what comes from the same network`, async (t) => {
      const hosts = await nodeAndRouter(t, "bird");
      if (hosts === null) return;
      const neighbor = `protocol bgp from node {
        local as 65000; neighbor 10.8.0.1 as 65001; passive ${passive ? "off" : "on"}; ttl security on; ${v4}
      }`;
      const node = await SpeakingNode.start(hosts.node, { listen: { addresses: ["0.0.0.0"], port: 179 } });
      node.setPeers(peerConfig({ address: "10.8.0.254", ttlSecurityHops: 1, passive }));
      node.setRoutes({ router: [route("198.51.100.1/32")] });
      const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
      await node.up();
      await bird.route("198.51.100.1/32");
      await node.stop(false);
    });
  }

  test("a frozen peer is given up when the hold time is over, and hears why", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; passive on; hold time 3; ${v4}
    }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254" }));
    node.setRoutes({ router: [route("198.51.100.1/32")] });
    assert.equal((await node.up())["holdTimeMs"], 3_000, "the smaller one is agreed on");
    await bird.route("198.51.100.1/32");
    const frozenMs = performance.now();
    bird.process.kill("SIGSTOP");
    const down = await node.logged("BGP session is down");
    const afterMs = performance.now() - frozenMs;
    assert.equal(down["reason"], "hold timer expired");
    assert.ok(afterMs > 1_500 && afterMs < 8_000, `${afterMs} ms`);
    const from = node.peer.messages.length;
    bird.process.kill("SIGCONT");
    await node.up(from);
    assert.match(bird.log(), /Received: Hold timer expired/);
    await bird.route("198.51.100.1/32");
    await node.stop(false);
  });

  test("a frozen node is given up by the peer, comes back and announces again", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; passive on; hold time 3; ${v4}
    }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    node.setPeers(peerConfig({ address: "10.8.0.254" }));
    node.setRoutes({ router: [route("198.51.100.1/32")] });
    await node.up();
    await bird.route("198.51.100.1/32");
    node.peer.process.kill("SIGSTOP");
    await bird.noRoute("198.51.100.1/32");
    const from = node.peer.messages.length;
    node.peer.process.kill("SIGCONT");
    assert.match(String((await node.logged("BGP session is down", from))["reason"]), /Hold Timer Expired|hold timer/);
    await node.up(from);
    await bird.route("198.51.100.1/32");
    await node.stop(false);
  });

  test("graceful restart: the node is killed and comes back, and the route never goes", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node {
      local as 65000; neighbor 10.8.0.1 as 65001; passive on; graceful restart on; ${v4}
    }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const config = peerConfig({ address: "10.8.0.254", gracefulRestart: true });
    const routes = { router: [route("198.51.100.1/32"), route("198.51.100.2/32")] };
    const first = await SpeakingNode.start(hosts.node);
    first.setPeers(config);
    first.setRoutes(routes);
    await first.up();
    await bird.route("198.51.100.2/32");
    const monitor = collect(hosts.router.start("ip", "monitor", "route").stdout);
    await kill(first.peer.process);
    await eventually(
      () => bird.ask("show protocols all"),
      (answer) => answer.includes("Neighbor graceful restart active"),
    );
    assert.match(await bird.route("198.51.100.1/32"), /10\.8\.0\.1/);

    const second = await SpeakingNode.start(hosts.node);
    second.setPeers(config);
    await second.up();
    // Not decided yet what is announced: nothing is said, and the routes stay.
    assert.match(await bird.route("198.51.100.2/32"), /10\.8\.0\.1/);
    second.setRoutes({ router: [route("198.51.100.1/32")] });
    // End-of-RIB: what was not announced again goes.
    await bird.noRoute("198.51.100.2/32");
    assert.doesNotMatch(monitor(), /[Dd]eleted 198\.51\.100\.1 /);
    assert.match(monitor(), /[Dd]eleted 198\.51\.100\.2 /);

    await second.stop(true);
    await eventually(
      () => bird.ask("show protocols all"),
      (answer) => answer.includes("Neighbor graceful restart active"),
    );
    assert.match(await bird.route("198.51.100.1/32"), /10\.8\.0\.1/);
    assert.doesNotMatch(bird.log(), /Received: Administrative shutdown/);
  });

  test("both ends connect at once: one connection survives, and no session is lost", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node { local as 65000; neighbor 10.8.0.1 as 65001; ${v4} }`;
    for (const routerId of ["1.1.1.1", "250.1.1.1"]) {
      const node = await SpeakingNode.start(hosts.node, { listen: { addresses: ["0.0.0.0"], port: 179 } });
      const bird = await Bird.start(t, hosts.router, routerId, neighbor);
      node.setPeers(peerConfig({ address: "10.8.0.254" }));
      node.setRoutes({ router: [route("198.51.100.1/32")] });
      await node.up();
      await bird.route("198.51.100.1/32");
      assert.equal((await node.status()).state, "Established");
      assert.doesNotMatch(JSON.stringify(node.peer.messages), /BGP session is down/);
      await node.stop(false);
      await kill(bird.process);
    }
  });

  test("2,000 routes of each family arrive, and go", async (t) => {
    const hosts = await nodeAndRouter(t, "bird");
    if (hosts === null) return;
    const neighbor = `protocol bgp from node { local as 65000; neighbor 10.8.0.1 as 65001; passive on; ${v4} ${v6} }`;
    const bird = await Bird.start(t, hosts.router, "10.8.0.254", neighbor);
    const node = await SpeakingNode.start(hosts.node);
    const all = Array.from({ length: 2_000 }, (_, index) => [
      route(`172.16.${index >> 8}.${index & 0xff}/32`),
      route(`2001:db8::${(index + 1).toString(16)}/128`, { communities: [65_001 * 65_536 + (index % 2)] }),
    ]).flat();
    node.setPeers(peerConfig({ address: "10.8.0.254", bothFamilies: true }));
    node.setRoutes({ router: all });
    await node.up();
    const count = async (): Promise<string> => bird.ask("show route count");
    await eventually(
      count,
      (answer) => /^2000 of 2000 routes.*master4$/m.test(answer) && /^2000 of 2000.*master6$/m.test(answer),
    );
    const { samples } = await node.report();
    assert.equal(samples["metallb_bgp_announced_prefixes_total 10.8.0.254:179"], 4_000);
    // 3 of IPv4, 5 for each half of IPv6, and 2 End-of-RIB.
    assert.equal(samples["metallb_bgp_updates_total 10.8.0.254:179"], 3 + 5 + 5 + 2);
    node.setRoutes({ router: [] });
    await eventually(count, (answer) => /^0 of 0 routes.*master4$/m.test(answer) && /^0 of 0.*master6$/m.test(answer));
    await node.stop(false);
  });

  test("three nodes announce one address: the router spreads over them, and over two when one leaves", async (t) => {
    if (requireTool(t, "bird") === null) return;
    const network = TestNetwork.open(t);
    if (network === null) return;
    const lan = await network.lan("lan");
    const router = await network.host("router");
    await network.connect(router, lan, { addresses: ["10.8.0.254/24"] });
    const neighbors = [1, 2, 3]
      .map((n) => `protocol bgp from node { local as 65000; neighbor 10.8.0.${n} as 65001; passive on; ${v4} }`)
      .join("\n");
    await Bird.start(t, router, "10.8.0.254", neighbors);
    const nodes: SpeakingNode[] = [];
    for (const n of [1, 2, 3]) {
      const host = await network.host(`n${n}`);
      await network.connect(host, lan, { addresses: [`10.8.0.${n}/24`] });
      const node = await SpeakingNode.start(host);
      node.setPeers(peerConfig({ address: "10.8.0.254" }));
      node.setRoutes({ router: [route("198.51.100.1/32")] });
      nodes.push(node);
    }
    const hops = async (): Promise<string> => {
      const table = await router.ip("route show 198.51.100.1");
      return [...table.matchAll(/via (\S+)/g)]
        .map((match) => match[1]!)
        .toSorted((left, right) => left.localeCompare(right))
        .join(" ");
    };
    await eventually(hops, (all) => all === "10.8.0.1 10.8.0.2 10.8.0.3");
    await nodes[1]!.stop(false);
    await eventually(hops, (all) => all === "10.8.0.1 10.8.0.3", 1_000);
    nodes[0]!.setRoutes({ router: [] });
    await eventually(hops, (all) => all === "10.8.0.3", 1_000);
  });
});
