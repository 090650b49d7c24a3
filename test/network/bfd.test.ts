// SPDX-License-Identifier: Apache-2.0
// BFD beside BGP, with BIRD: a dead end is noticed in a fraction of a second, where the hold time would take minutes.

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import { Bird, eventually, nodeAndRouter } from "./support/routers.ts";
import { peerConfig, route, SpeakingNode } from "./support/speaking.ts";

const times = { receiveIntervalMs: 200, transmitIntervalMs: 200, detectMultiplier: 3, passive: false };

/** A node and BIRD with a session up and BFD up beside it, both with a hold time of 90 s. */
async function runBoth(t: TestContext, family: 4 | 6, gracefulRestart = false) {
  const hosts = await nodeAndRouter(t, "bird");
  if (hosts === null) return null;
  const { node: host, router, lan } = hosts;
  const [ours, address] = family === 4 ? ["10.8.0.1", "10.8.0.254"] : ["fd00:8::1", "fd00:8::254"];
  const bird = await Bird.start(
    t,
    router,
    "10.8.0.254",
    `protocol bfd { interface "*" { min rx interval 200 ms; min tx interval 200 ms; multiplier 3; }; }
    protocol bgp from node {
      local as 65000; neighbor ${ours} as 65001; passive on; hold time 90;
      ${gracefulRestart ? "bfd graceful; graceful restart on" : "bfd on; graceful restart off"};
      ipv4 { import all; export none; }; ipv6 { import all; export none; };
    }`,
  );
  const node = await SpeakingNode.start(host);
  const timers = { bfd: times, holdTimeMs: 90_000, keepaliveTimeMs: 30_000 };
  node.setPeers(peerConfig({ address, ...timers, gracefulRestart, bothFamilies: true }));
  node.setRoutes({ router: [route("198.51.100.1/32")] });
  await node.up();
  await bird.route("198.51.100.1/32");
  await eventually(
    () => bird.ask("show bfd sessions"),
    (answer) => answer.includes(" Up "),
  );
  await eventually(
    () => node.status(),
    ({ bfd }) => bfd === "Up",
  );
  return { node, bird, lan, address };
}

suite("BFD with BIRD", () => {
  for (const family of [4, 6] as const) {
    test(`over IPv${family}: a peer that freezes is given up at once, with Cease`, async (t) => {
      const both = await runBoth(t, family);
      if (both === null) return;
      const { node, bird, address } = both;
      const fromMs = performance.now();
      bird.process.kill("SIGSTOP");
      const down = await node.logged("BGP session is down");
      const afterMs = performance.now() - fromMs;
      assert.equal(down["reason"], "BFD session is down");
      assert.ok(afterMs > 300 && afterMs < 5_000, `${afterMs} ms`);
      const from = node.peer.messages.length;
      bird.process.kill("SIGCONT");
      await node.up(from);
      await bird.route("198.51.100.1/32");
      const { samples } = await node.report();
      assert.equal(samples[`metallb_bfd_session_down_events ${address}`], 1);
      assert.ok(samples[`metallb_bfd_control_packet_input ${address}`]! > 3);
      await node.stop(false);
    });
  }

  test("a node that freezes loses its routes at once", async (t) => {
    const both = await runBoth(t, 4);
    if (both === null) return;
    const { node, bird } = both;
    const fromMs = performance.now();
    node.peer.process.kill("SIGSTOP");
    await bird.noRoute("198.51.100.1/32");
    const afterMs = performance.now() - fromMs;
    assert.ok(afterMs < 5_000, `${afterMs} ms`);
    node.peer.process.kill("SIGCONT");
    await bird.route("198.51.100.1/32");
    await node.stop(false);
  });

  test("a node that stops says so, which is no failure", async (t) => {
    const both = await runBoth(t, 4);
    if (both === null) return;
    const { node, bird } = both;
    await node.stop(false);
    await bird.noRoute("198.51.100.1/32", 1_000);
    await eventually(
      () => bird.ask("show bfd sessions"),
      (answer) => !answer.includes(" Up "),
    );
    assert.doesNotMatch(bird.log(), /BFD session down/);
  });

  test("a node that leaves its routes leaves them with BFD, too, where the router takes its end for a restart", async (t) => {
    const both = await runBoth(t, 4, true);
    if (both === null) return;
    const { node, bird } = both;
    await node.stop(true);
    await eventually(
      () => bird.ask("show bfd sessions"),
      (answer) => !answer.includes(" Up "),
    );
    assert.match(await bird.ask("show protocols all"), /Neighbor graceful restart active/);
    assert.match(await bird.route("198.51.100.1/32"), /10\.8\.0\.1/);
  });
});
