// SPDX-License-Identifier: Apache-2.0
// The loss of a node under load: client → announced address → gateway → Bookinfo. What was on its way through that node is
// lost, and nothing that is sent once the address is elsewhere.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { openCluster, vips, type ClusterNode } from "./support/announce-cluster.ts";
import { bookinfoManifests, startBookinfo } from "./support/bookinfo.ts";
import { Watcher } from "./support/client-network.ts";
import { gatewayService, lanYaml, Load, lossesOf, monotonicMs, ownerOf } from "./support/gateways.ts";
import type { LoadRecord } from "./support/http-load.ts";
import { TestNetwork } from "./support/test-network.ts";

const [vip] = vips;
const apps = "10.9.0.50";
/** Connections that clients keep. */
const kept = 3;

/** Beside the product page: the reviews by themselves, whose answer names the version that gave it. */
const reviewsYaml = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews-from-outside}
spec:
  hosts: [reviews.example]
  gateways: [bookinfo-gateway]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v1}}]
`;

const requests = [
  { path: "/productpage", headers: { host: "bookinfo.example" }, expected: "The Comedy of Errors" },
  { path: "/reviews/0", headers: { host: "reviews.example" }, expected: '"podname":"reviews-v1"' },
  {
    path: "/reviews/0",
    headers: { host: "reviews.example", "end-user": "jason" },
    expected: '"podname":"reviews-v2"',
  },
];

suite("the loss of a node", () => {
  test("costs the requests that were on their way through it, and no other", { timeout: 120_000 }, async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const cluster = await openCluster(t, network, 3);
    const host = await network.host("apps");
    await network.connect(host, cluster.lan, { addresses: [`${apps}/24`] });
    const workloads = await startBookinfo(t, host, apps);
    await cluster.configure(`${lanYaml}${gatewayService("gateway", "port: 80, targetPort: 8080")}---\n${reviewsYaml}`);
    for (const node of cluster.nodes) {
      await node.heedAnnouncer();
      node.launchGateway(workloads, "-f", bookinfoManifests);
    }
    for (const node of cluster.nodes) await node.logged(/ gateway is ready /);
    const neighbors = Watcher.neighbors(cluster.client);
    const load = new Load(cluster.client, { kept, freshEveryMs: 40, requests });
    await load.since(0, 150);
    assert.deepEqual(
      load.records.filter(({ failure }) => failure !== null),
      [],
    );

    /** Resolves with what was lost meanwhile, once the address is elsewhere and 150 requests were answered there. */
    const lossesBy = async (owner: ClusterNode, loss: () => Promise<unknown>): Promise<readonly LoadRecord[]> => {
      const isElsewhere = (line: string): boolean =>
        line.startsWith(`${vip} `) && line.includes("lladdr") && !line.includes(owner.mac);
      const moved = neighbors.until(neighbors.seen.filter(isElsewhere).length + 1, isElsewhere).then(monotonicMs);
      const [lostMs, from] = [monotonicMs(), load.records.length];
      await loss();
      const movedMs = await moved;
      await load.since(movedMs, 150);
      const { lost, late } = lossesOf(load.records.slice(from), movedMs);
      t.diagnostic(`the address moved after ${Math.round(movedMs - lostMs)} ms; ${lost.length} requests lost`);
      assert.deepEqual(late, [], "what was sent after the move was answered, by the right service");
      assert.ok(movedMs - lostMs < 3_000, `${movedMs - lostMs} ms`);
      return lost;
    };

    // The machine goes, as far as anybody can see: what is on its way to it gets no answer, and new connections ask again.
    const first = await ownerOf(cluster.nodes);
    const lost = await lossesBy(first, async () => {
      await first.host.ip("link set eth0 down");
      await first.signal("SIGKILL");
    });
    const accepted = lost.filter(({ fresh }) => fresh);
    assert.ok(lost.length - accepted.length <= kept, JSON.stringify(lost));
    assert.ok(accepted.length <= 5, JSON.stringify(lost));

    // Only the process goes: its machine refuses connections for as long as it takes the others to notice.
    const second = await ownerOf(cluster.nodes.filter((node) => node !== first));
    assert.notEqual(second, first);
    const refused = await lossesBy(second, async () => await second.signal("SIGKILL"));
    for (const { failure } of refused) assert.match(failure ?? "", /^(?:ECONNRESET|ECONNREFUSED)$/);
    const records = await load.end();
    t.diagnostic(`${records.length} requests`);
  });
});
