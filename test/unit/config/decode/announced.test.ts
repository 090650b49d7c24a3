// SPDX-License-Identifier: Apache-2.0
// What the announcer reads of Kubernetes: Services of type LoadBalancer, Nodes, Secrets.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LoadBalancerService } from "../../../../src/model/index.ts";
import { core, decode, decodeOne, problemsOf } from "./decoding.ts";

/** A Service of type LoadBalancer. */
function service(spec = "", annotations = "", status = ""): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: x, annotations: {${annotations}}}\nspec: {type: LoadBalancer, ports: [{port: 80}]${spec}}\n${status}`;
}

function loadBalancer(text: string): LoadBalancerService {
  const { loadBalancer: found } = decodeOne("Service", text);
  assert.ok(found !== null);
  return found;
}

const nothing: LoadBalancerService = {
  loadBalancerClass: "",
  requestedIPs: [],
  requestedPool: "",
  sharingKey: "",
  externalTrafficPolicy: "Cluster",
  ipFamilies: [],
  ipFamilyPolicy: null,
  ingressIPs: [],
};

describe("a Service of type LoadBalancer", () => {
  it("has defaults", () => assert.deepEqual(loadBalancer(service()), nothing));

  it("takes every field, annotation and address", () => {
    const text = service(
      ", loadBalancerClass: a.b/c, externalTrafficPolicy: Local, ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack",
      'metallb.io/address-pool: p, metallb.io/loadBalancerIPs: " 10.0.0.1 ,fd00::1", metallb.io/allow-shared-ip: key',
      "status: {loadBalancer: {ingress: [{ip: 10.0.0.1}, {hostname: h}, {ip: 'fd00::1'}]}}",
    );
    assert.deepEqual(problemsOf(text), []);
    assert.deepEqual(loadBalancer(text), {
      loadBalancerClass: "a.b/c",
      requestedIPs: ["10.0.0.1", "fd00::1"],
      requestedPool: "p",
      sharingKey: "key",
      externalTrafficPolicy: "Local",
      ipFamilies: [6, 4],
      ipFamilyPolicy: "PreferDualStack",
      ingressIPs: ["10.0.0.1", "fd00::1"],
    });
  });

  it("is the only one that has them", () => {
    const text = service(", loadBalancerIP: x", "metallb.universe.tf/address-pool: p").replace(
      "LoadBalancer,",
      "ClusterIP,",
    );
    assert.deepEqual(problemsOf(text), []);
    assert.equal(decodeOne("Service", text).loadBalancer, null);
  });

  it("may ask for an address by its field", () => {
    assert.deepEqual(loadBalancer(service(", loadBalancerIP: 10.0.0.9")).requestedIPs, ["10.0.0.9"]);
    assert.deepEqual(loadBalancer(service(", loadBalancerIP: ''")).requestedIPs, []);
  });

  it("that asks twice gets what the annotation says", () => {
    const same = service(", loadBalancerIP: 10.0.0.9", "metallb.io/loadBalancerIPs: 10.0.0.9");
    assert.deepEqual(problemsOf(same), []);
    const other = service(", loadBalancerIP: 10.0.0.8", "metallb.io/loadBalancerIPs: 10.0.0.9");
    assert.deepEqual(problemsOf(other), ["warning CONFLICT spec.loadBalancerIP"]);
    assert.deepEqual(loadBalancer(other).requestedIPs, ["10.0.0.9"]);
  });

  it("keeps its routes when what it asks for is no address", () => {
    const text = service("", 'metallb.io/loadBalancerIPs: "10.0.0.1,ten"');
    assert.deepEqual(problemsOf(text), ['warning VALUE metadata.annotations["metallb.io/loadBalancerIPs"]']);
    assert.deepEqual(loadBalancer(text).requestedIPs, ["10.0.0.1", "ten"]);
    assert.deepEqual(problemsOf(service(", loadBalancerIP: ten")), ["warning VALUE spec.loadBalancerIP"]);
  });

  it("may use MetalLB's old names, and is told the new ones", () => {
    const text = service(
      "",
      "metallb.universe.tf/address-pool: p, metallb.universe.tf/allow-shared-ip: k, metallb.universe.tf/loadBalancerIPs: 10.0.0.1",
    );
    const { requestedPool, sharingKey, requestedIPs } = loadBalancer(text);
    assert.deepEqual([requestedPool, sharingKey, requestedIPs], ["p", "k", ["10.0.0.1"]]);
    assert.deepEqual(
      problemsOf(text),
      ["address-pool", "allow-shared-ip", "loadBalancerIPs"].map(
        (name) => `warning DEPRECATED metadata.annotations["metallb.universe.tf/${name}"]`,
      ),
    );
    const both = service("", "metallb.universe.tf/address-pool: old, metallb.io/address-pool: new");
    assert.equal(loadBalancer(both).requestedPool, "new");
    assert.match(decode(both).problems[0]!.message, /metallb\.io\/address-pool is used; remove this one/);
  });

  for (const [spec, annotations, expected] of [
    [", externalTrafficPolicy: local", "", "error VALUE spec.externalTrafficPolicy"],
    [", ipFamilies: [IPv5]", "", "error VALUE spec.ipFamilies[0]"],
    [", ipFamilies: [IPv4, IPv4]", "", "error CONFLICT spec.ipFamilies[1]"],
    [", ipFamilyPolicy: Dual", "", "error VALUE spec.ipFamilyPolicy"],
    [", loadBalancerIP: 5", "", "error TYPE spec.loadBalancerIP"],
    ["", "metallb.io/allow-shared-ip: true", 'error TYPE metadata.annotations["metallb.io/allow-shared-ip"]'],
  ] as const) {
    it(`is refused as Kubernetes refuses it: ${spec || annotations}`, () => {
      assert.deepEqual(problemsOf(service(spec, annotations)), [expected]);
    });
  }
});

describe("Node", () => {
  it("tells its addresses, the ranges of its pods, and whether it works", () => {
    const text = core(
      "Node",
      "spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24, 'fd00::/64']}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: ExternalIP, address: 1.1.1.1}, {type: InternalIP, address: 'fd00::1'}, {type: Hostname, address: x}], conditions: [{type: Ready, status: 'True'}, {type: NetworkUnavailable, status: 'False'}]}",
    ).replace("namespace: shop", "labels: {a: b}");
    assert.deepEqual(decodeOne("Node", text), {
      kind: "Node",
      namespace: "",
      name: "x",
      labels: { a: "b" },
      createdMs: null,
      order: 0,
      position: { file: "test.yaml", line: 1, column: 1 },
      addresses: ["10.0.0.1", "fd00::1"],
      podCIDRs: ["10.244.0.0/24", "fd00::/64"],
      ready: true,
      networkUnavailable: false,
    });
  });

  for (const [conditions, ready, networkUnavailable] of [
    ["[]", true, false],
    ["[{type: Ready, status: 'False'}]", false, false],
    ["[{type: Ready, status: Unknown}]", false, false],
    ["[{type: MemoryPressure, status: 'True'}, {type: NetworkUnavailable, status: 'True'}]", true, true],
    ["[{type: NetworkUnavailable, status: Unknown}]", true, false],
  ] as const) {
    it(`works by its conditions: ${conditions}`, () => {
      const node = decodeOne("Node", core("Node", `status: {conditions: ${conditions}}`));
      assert.deepEqual([node.ready, node.networkUnavailable], [ready, networkUnavailable]);
    });
  }

  it("works when nobody says otherwise, and may have one range of pods", () => {
    const node = decodeOne("Node", core("Node", "spec: {podCIDR: 10.244.0.0/24}"));
    assert.deepEqual([node.ready, node.networkUnavailable, node.addresses], [true, false, []]);
    assert.deepEqual(node.podCIDRs, ["10.244.0.0/24"]);
    assert.deepEqual(problemsOf(core("Node", "spec: {podCIDR: 10.244.0.0}")), ["error VALUE spec.podCIDR"]);
  });
});

describe("Secret", () => {
  const secret = (fields: string): string => core("Secret", `type: kubernetes.io/basic-auth\n${fields}`);

  for (const [fields, password] of [
    ["data: {password: czNjcjN0}", "s3cr3t"],
    ["data: {password: czNjcjN0IMOk}", "s3cr3t ä"],
    ["data:\n  password: |\n    czNj\n    cjN0", "s3cr3t"],
    ["stringData: {password: s3cr3t}", "s3cr3t"],
    ["data: {password: eA==}\nstringData: {password: s3cr3t}", "s3cr3t"],
    ["data: {username: eA==}", null],
    ["", null],
  ] as const) {
    it(`has a password: ${JSON.stringify(fields)}`, () => {
      assert.deepEqual(problemsOf(secret(fields)), []);
      assert.equal(decodeOne("Secret", secret(fields)).password, password);
    });
  }

  it("is not read when it is of another type", () => {
    for (const type of ["type: Opaque", "type: kubernetes.io/tls", ""]) {
      const { problems, resources, ignored, rejected } = decode(core("Secret", `${type}\ndata: {password: "?"}`));
      assert.deepEqual([problems, resources, rejected], [[], [], []]);
      assert.deepEqual(ignored, [{ apiVersion: "v1", kind: "Secret", count: 1 }]);
    }
  });

  it("must be base64 of text", () => {
    for (const value of ["'hush?'", "hus", "hush=", "/w==", "[hush]"]) {
      const { problems, resources } = decode(secret(`data: {password: ${value}}`));
      assert.deepEqual(
        problems.map(({ severity, path }) => [severity, path]),
        [["error", "data.password"]],
        value,
      );
      assert.doesNotMatch(JSON.stringify(problems), /hush/);
      assert.deepEqual(resources, []);
    }
  });
});
