// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import type { Resource } from "../../../../src/model/index.ts";
import { AnnouncingConfig, concernsAnnouncing } from "../../../../src/roles/announce/announcing-config.ts";

const advertisement = `---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all, namespace: metallb-system}
`;
const pool = (name: string, range: string) => `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: ${name}, namespace: metallb-system}
spec: {addresses: [${range}]}
`;
const service = (name: string) => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;
function resourcesIn(yaml: string): readonly Resource[] {
  return decodeDocuments("all.yaml", yaml, 0).resources;
}
const options = { node: "n1", nodeLabels: {}, loadBalancerClass: "" };

suite("what is announced by", () => {
  test("is what fits together at the start, and what was good last from then on", () => {
    const lan = pool("lan", "10.0.0.0/24");
    const overlapping = pool("wide", "10.0.0.0/16");
    const config = new AnnouncingConfig(options);
    const bad = config.take(resourcesIn(advertisement + overlapping + lan + service("a")));
    assert.deepEqual([bad.stale, bad.allocations.services[0]?.pool], [true, "wide"]);
    const good = config.take(resourcesIn(advertisement + lan + service("a")));
    assert.deepEqual([good.stale, good.allocations.services[0]?.pool], [false, "lan"]);
    const held = config.take(resourcesIn(advertisement + overlapping + lan + service("a") + service("b")));
    assert.equal(held.stale, true);
    assert.deepEqual(
      held.allocations.services.map(({ service: key, pool: from, addresses }) => [key, from, addresses[0]]),
      [
        ["default/a", "lan", "10.0.0.0"],
        ["default/b", "lan", "10.0.0.1"],
      ],
    );
    assert.equal(
      held.problems.some(({ code, severity }) => code === "CONFLICT" && severity === "error"),
      true,
    );
  });

  test("follows from the files alone, whenever a node was started", () => {
    const lan = advertisement + pool("lan", "10.0.0.0/24");
    const longAlive = new AnnouncingConfig(options);
    for (const names of [
      ["b", "c"],
      ["a", "b", "c"],
      ["a", "c"],
      ["a", "c", "b"],
    ]) {
      const resources = resourcesIn(lan + names.map(service).join(""));
      const fresh = new AnnouncingConfig({ ...options, node: "n2" });
      assert.deepEqual(longAlive.take(resources).allocations, fresh.take(resources).allocations);
      assert.deepEqual(
        fresh.take(resources).allocations.services.map(({ addresses }) => addresses[0]),
        names.map((_, index) => `10.0.0.${index}`),
      );
    }
  });

  test("has the labels of the command line, with or without a file about the node", () => {
    const config = new AnnouncingConfig({ ...options, nodeLabels: { edge: "yes" } });
    const node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {zone: a}}\n";
    const labels = (yaml: string) => config.take(resourcesIn(yaml)).config.nodes.map((each) => each.labels);
    assert.deepEqual(labels(node), [{ zone: "a", edge: "yes" }]);
    assert.deepEqual(labels(advertisement), [{ "kubernetes.io/hostname": "n1", edge: "yes" }]);
  });

  test("is not disturbed by problems of other resources", () => {
    const problem = {
      code: "REFERENCE",
      severity: "error",
      path: "",
      message: "",
      position: { file: "a.yaml", line: 1, column: 1 },
    } as const;
    const about = (kind: string) => concernsAnnouncing({ ...problem, resource: { kind, namespace: "", name: "x" } });
    assert.deepEqual([about("VirtualService"), about("Service"), about("BGPPeer")], [false, true, true]);
    assert.equal(concernsAnnouncing({ ...problem, resource: null }), true);
  });
});
