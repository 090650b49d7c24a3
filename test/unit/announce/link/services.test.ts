// SPDX-License-Identifier: Apache-2.0
// Services and nodes as the announcer gets them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { AnnouncedService } from "../../../../src/announce/index.ts";
import { announceAll, core, link, pool, service } from "./linking.ts";

function only(documents: readonly string[]): AnnouncedService {
  const { services } = link(documents).config;
  assert.equal(services.length, 1);
  return services[0]!;
}

function slice(name: string, endpoints: string, of = "web"): string {
  const labels = `labels: {kubernetes.io/service-name: ${of}}`;
  return `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: ${name}, ${labels}}, addressType: IPv4, endpoints: [${endpoints}]}`;
}

describe("services", () => {
  it("carry what the allocator decides by", () => {
    const text = `apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  labels: {tier: gold}
  annotations:
    metallb.io/address-pool: public
    metallb.io/loadBalancerIPs: 10.0.0.5, fd00::5
    metallb.io/allow-shared-ip: web
spec:
  type: LoadBalancer
  selector: {b: "2", a: "1"}
  externalTrafficPolicy: Local
  ipFamilyPolicy: PreferDualStack
  clusterIPs: ["fd00:1::1", 10.96.0.1]
  ports: [{name: a, port: 80}, {name: b, port: 53, protocol: UDP}]
status: {loadBalancer: {ingress: [{ip: 10.0.0.7}, {hostname: a.example}]}}`;
    const namespace = core("Namespace", "name: shop, labels: {team: a}", "spec: {}");
    assert.deepEqual(link([text, namespace, pool("public", "10.0.0.0/24"), ...announceAll]).problems, []);
    assert.deepEqual(only([text, namespace]), {
      key: "shop/web",
      sharingKey: "web",
      backendKey: "Local a=1,b=2",
      ports: ["TCP/80", "UDP/53"],
      namespace: "shop",
      labels: { tier: "gold" },
      namespaceLabels: { "kubernetes.io/metadata.name": "shop", team: "a" },
      families: [6, 4],
      familyPolicy: "PreferDualStack",
      requested: ["10.0.0.5", "fd00::5"],
      requestedPool: "public",
      current: ["10.0.0.7"],
      trafficPolicy: "Local",
      serving: null,
    });
  });

  it("share by selector only where traffic stays local", () => {
    assert.equal(only([service("web", ", selector: {a: b}")]).backendKey, "");
    // Never the key of those that do not stay local, even without a selector.
    assert.notEqual(only([service("web", ", externalTrafficPolicy: Local")]).backendKey, "");
  });

  it("are of type LoadBalancer and of our class, oldest first", () => {
    const dated = (name: string, time: string, spec = ""): string =>
      service(name, spec, `, creationTimestamp: "2026-01-0${time}T00:00:00Z"`);
    const documents = [
      service("undated"),
      dated("young", "2"),
      dated("old", "1"),
      dated("theirs", "1", ", loadBalancerClass: example.com/other"),
      core("Service", "name: internal", "spec: {ports: [{port: 80}]}"),
    ];
    const keys = (options = {}): readonly string[] => link(documents, options).config.services.map(({ key }) => key);
    assert.deepEqual(keys(), ["default/old", "default/young", "default/undated"]);
    assert.deepEqual(keys({ loadBalancerClass: "example.com/other" }), ["default/theirs"]);
  });

  const families: readonly (readonly [spec: string, families: readonly number[], policy: string])[] = [
    ["", [4], "SingleStack"],
    [", ipFamilies: [IPv6]", [6], "SingleStack"],
    [", ipFamilies: [IPv6, IPv4]", [6, 4], "RequireDualStack"],
    [", ipFamilies: [IPv6], ipFamilyPolicy: PreferDualStack", [6, 4], "PreferDualStack"],
    [", ipFamilyPolicy: RequireDualStack", [4, 6], "RequireDualStack"],
    [", clusterIP: 'fd00::1'", [6], "SingleStack"],
    [", clusterIPs: [10.0.0.1], ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack", [4], "PreferDualStack"],
    [", clusterIPs: [10.0.0.1, 'fd00::1']", [4, 6], "RequireDualStack"],
    [", clusterIP: None", [4], "SingleStack"],
  ];
  for (const [spec, expected, policy] of families) {
    it(`have families: ${spec.slice(2) || "nothing is said"}`, () => {
      const { families: found, familyPolicy } = only([service("web", spec)]);
      assert.deepEqual([found, familyPolicy], [expected, policy]);
    });
  }

  it("that cannot have what they require are reported", () => {
    const { config, problems } = link([service("web", ", clusterIPs: [10.0.0.1], ipFamilyPolicy: RequireDualStack")]);
    assert.deepEqual(problems, ["1 warning Service/web spec.ipFamilyPolicy [CONFLICT]"]);
    assert.deepEqual(config.services, []);
  });

  it("that ask for a pool that is not there are reported, where there are pools", () => {
    const web = service("web", "", ", annotations: {metallb.io/address-pool: publik}");
    assert.deepEqual(link([web]).problems, []);
    const { config, problems } = link([web, pool("public", "10.0.0.0/24"), ...announceAll]);
    assert.deepEqual(problems, ['1 warning Service/web metadata.annotations["metallb.io/address-pool"] [REFERENCE]']);
    assert.equal(config.services.length, 1);
  });
});

describe("endpoints", () => {
  it("of slices say where a service serves, also those that are going", () => {
    const { serving } = only([
      service("web"),
      slice(
        "a",
        "{addresses: [10.1.0.1], nodeName: n1}, {addresses: [10.1.0.2], nodeName: n2, conditions: {ready: false}}",
      ),
      slice("b", "{addresses: [10.1.0.3], nodeName: n3, conditions: {ready: false, serving: true, terminating: true}}"),
      slice("c", "{addresses: [10.1.0.4], nodeName: n4}", "other"),
    ]);
    assert.deepEqual(serving, { anywhere: true, nodes: new Set(["n1", "n3"]) });
  });

  it("may be none, or say nothing of nodes", () => {
    assert.deepEqual(only([service("web"), slice("a", "")]).serving, { anywhere: false, nodes: new Set() });
    const { serving } = only([service("web"), slice("a", "{addresses: [10.1.0.1]}")]);
    assert.deepEqual(serving, { anywhere: true, nodes: new Set() });
  });

  it("of Endpoints count where there is no slice", () => {
    const endpoints = core(
      "Endpoints",
      "name: web",
      "subsets: [{addresses: [{ip: 10.1.0.1, nodeName: n1}], notReadyAddresses: [{ip: 10.1.0.2, nodeName: n2}]}]",
    );
    assert.deepEqual(only([service("web"), endpoints]).serving, { anywhere: true, nodes: new Set(["n1"]) });
    const { serving } = only([service("web"), endpoints, slice("a", "{addresses: [10.1.0.9], nodeName: n9}")]);
    assert.deepEqual(serving, { anywhere: true, nodes: new Set(["n9"]) });
  });
});

describe("nodes", () => {
  it("say whether they may announce", () => {
    const { nodes } = link([
      core("Node", "name: a, labels: {rack: r}", "status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}"),
      core("Node", 'name: b, labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}', "spec: {}"),
      core(
        "Node",
        "name: c",
        "status: {conditions: [{type: Ready, status: Unknown}, {type: NetworkUnavailable, status: 'True'}]}",
      ),
    ]).config;
    const healthy = { ready: true, networkUnavailable: false, excluded: false };
    assert.deepEqual(nodes, [
      { name: "a", labels: { rack: "r" }, addresses: ["10.0.0.1"], ...healthy },
      {
        name: "b",
        labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" },
        addresses: [],
        ...healthy,
        excluded: true,
      },
      { name: "c", labels: {}, addresses: [], ready: false, networkUnavailable: true, excluded: false },
    ]);
  });
});
