// SPDX-License-Identifier: Apache-2.0
// The same sessions with each of the four routing daemons of Debian.

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import { daemons, type Daemon, type DaemonKind, type Neighbor, type SeenRoute } from "./support/daemons.ts";
import { eventually, kill, nodeAndRouter } from "./support/routers.ts";
import { peerConfig, route, SpeakingNode } from "./support/speaking.ts";
import type { Host } from "./support/test-network.ts";

const community = 65_001 * 65_536 + 7;

interface Running {
  readonly node: Host;
  readonly daemon: Daemon;
  readonly address: string;
}

/** A node at .1 and the daemon at .254 of one Ethernet; null when the test cannot run here. */
async function run(
  t: TestContext,
  kind: DaemonKind,
  family: 4 | 6,
  values: Partial<Pick<Neighbor, "password" | "gracefulRestart">> = {},
): Promise<Running | null> {
  const hosts = await nodeAndRouter(t, kind.tool);
  if (hosts === null) return null;
  const { node, router } = hosts;
  const [address, local] = family === 4 ? ["10.8.0.1", "10.8.0.254"] : ["fd00:8::1", "fd00:8::254"];
  const neighbor = { address, local, password: null, gracefulRestart: false, ...values };
  return { node, daemon: await kind.start(t, router, neighbor), address: local };
}

for (const kind of daemons) {
  suite(`BGP with ${kind.name}`, () => {
    for (const family of [4, 6] as const) {
      test(`over IPv${family}: routes of both families, their attributes, and withdrawals`, async (t) => {
        const running = await run(t, kind, family);
        if (running === null) return;
        const { daemon, address } = running;
        const node = await SpeakingNode.start(running.node);
        node.setPeers(peerConfig({ address, bothFamilies: true }));
        const values = { communities: [community], largeCommunities: [[1, 2, 3]] as const };
        node.setRoutes({ router: [route("198.51.100.1/32", values), route("2001:db8::1/128", values)] });
        await node.up();
        const seen = { path: "65001", communities: "65001:7", largeCommunities: "1:2:3" };
        assert.deepEqual(await known(daemon, "198.51.100.1/32"), { ...seen, nextHop: "10.8.0.1" });
        assert.deepEqual(await known(daemon, "2001:db8::1/128"), { ...seen, nextHop: "fd00:8::1" });

        // Other attributes are the same route anew, without a withdrawal between.
        node.setRoutes({ router: [route("198.51.100.1/32")] });
        await gone(daemon, "2001:db8::1/128");
        await eventually(
          () => daemon.route("198.51.100.1/32"),
          (each) => each?.communities === "",
        );
        await node.stop(false);
        await gone(daemon, "198.51.100.1/32");
      });
    }

    test("MD5: only with the right password", async (t) => {
      const running = await run(t, kind, 4, { password: "s3cret" });
      if (running === null) return;
      const { daemon, address } = running;
      const node = await SpeakingNode.start(running.node);
      node.setRoutes({ router: [route("198.51.100.1/32")] });
      node.setPeers(peerConfig({ address, password: "other" }));
      await node.logged("BGP session does not come up");
      const from = node.peer.messages.length;
      node.setPeers(peerConfig({ address, password: "s3cret" }));
      await node.up(from);
      await known(daemon, "198.51.100.1/32");
      await node.stop(false);
    });

    test("a peer that freezes is given up when the hold time is over", async (t) => {
      const running = await run(t, kind, 4);
      if (running === null) return;
      const { daemon, address } = running;
      const node = await SpeakingNode.start(running.node);
      node.setPeers(peerConfig({ address, holdTimeMs: 3_000, keepaliveTimeMs: 1_000 }));
      node.setRoutes({ router: [route("198.51.100.1/32")] });
      assert.equal((await node.up())["holdTimeMs"], 3_000);
      await known(daemon, "198.51.100.1/32");
      const fromMs = performance.now();
      daemon.process.kill("SIGSTOP");
      assert.equal((await node.logged("BGP session is down"))["reason"], "hold timer expired");
      const afterMs = performance.now() - fromMs;
      assert.ok(afterMs > 1_500 && afterMs < 8_000, `${afterMs} ms`);
    });

    if (!kind.helps) return;
    test("graceful restart: the node is killed and comes back, and the route stays", async (t) => {
      const running = await run(t, kind, 4, { gracefulRestart: true });
      if (running === null) return;
      const { daemon, address } = running;
      const config = peerConfig({ address, gracefulRestart: true, bothFamilies: true });
      const first = await SpeakingNode.start(running.node);
      first.setPeers(config);
      first.setRoutes({ router: [route("198.51.100.1/32"), route("198.51.100.2/32")] });
      await first.up();
      await known(daemon, "198.51.100.2/32");
      await kill(first.peer.process);

      const second = await SpeakingNode.start(running.node);
      second.setPeers(config);
      await second.up();
      assert.notEqual(await daemon.route("198.51.100.1/32"), null);
      assert.notEqual(await daemon.route("198.51.100.2/32"), null);
      second.setRoutes({ router: [route("198.51.100.1/32")] });
      await gone(daemon, "198.51.100.2/32");
      assert.notEqual(await daemon.route("198.51.100.1/32"), null);
      await second.stop(false);
      await gone(daemon, "198.51.100.1/32");
    });
  });
}

async function known(daemon: Daemon, prefix: string): Promise<SeenRoute> {
  const seen = await eventually(
    () => daemon.route(prefix),
    (each) => each !== null,
  );
  return seen!;
}

async function gone(daemon: Daemon, prefix: string): Promise<void> {
  await eventually(
    () => daemon.route(prefix),
    (each) => each === null,
  );
}
