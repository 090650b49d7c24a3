// SPDX-License-Identifier: Apache-2.0
// Service, EndpointSlice, Endpoints.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { core, decode, decodeOne, problemsOf } from "./decoding.ts";

describe("Service", () => {
  it("decodes selector, ports and addresses", () => {
    const text = core(
      "Service",
      `spec:
  selector: {app: a}
  clusterIP: 10.0.0.1
  clusterIPs: [10.0.0.1, "fd00::1"]
  sessionAffinity: None
  ports:
  - {name: http, port: 80, targetPort: web, appProtocol: http}
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, targetPort: 5353}`,
    );
    const service = decodeOne("Service", text);
    assert.deepEqual(decode(text).problems, []);
    assert.deepEqual(service, {
      kind: "Service",
      namespace: "shop",
      name: "x",
      labels: {},
      createdMs: null,
      order: 0,
      position: { file: "test.yaml", line: 1, column: 1 },
      type: "ClusterIP",
      selector: { app: "a" },
      ports: [
        { name: "http", port: 80, targetPort: "web", protocol: "TCP", appProtocol: "http" },
        { name: "dns", port: 53, targetPort: 53, protocol: "UDP", appProtocol: "" },
        { name: "dns-tcp", port: 53, targetPort: 5353, protocol: "TCP", appProtocol: "" },
      ],
      clusterIPs: ["10.0.0.1", "fd00::1"],
      externalName: "",
      loadBalancer: null,
    });
  });

  it("decodes headless and external ones", () => {
    const headless = decodeOne("Service", core("Service", "spec: {clusterIP: None}"));
    assert.deepEqual([headless.clusterIPs, headless.selector, headless.ports], [["None"], null, []]);
    const external = decodeOne(
      "Service",
      core("Service", "spec: {type: ExternalName, externalName: Api.Example.com.}"),
    );
    assert.equal(external.externalName, "api.example.com");
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["", ["error REQUIRED "]],
    ["spec: {selector: {a: b}}", ["error REQUIRED spec"]],
    ["spec: {type: Cluster, ports: [{port: 80}]}", ["error VALUE spec.type"]],
    ["spec: {type: ExternalName}", ["error REQUIRED spec"]],
    ["spec: {ports: [{name: a}]}", ["error REQUIRED spec.ports[0]"]],
    ["spec: {ports: [{port: 80}, {port: 81, name: b}]}", ["error REQUIRED spec.ports"]],
    ["spec: {ports: [{port: 80, name: a}, {port: 81, name: a}]}", ["error CONFLICT spec.ports[1]"]],
    ["spec: {ports: [{port: 80, name: a}, {port: 80, name: b}]}", ["error CONFLICT spec.ports[1]"]],
    ["spec: {ports: [{port: 80, name: A}]}", ["error VALUE spec.ports[0].name"]],
    ["spec: {ports: [{port: 80, targetPort: 0}]}", ["error VALUE spec.ports[0].targetPort"]],
    ["spec: {ports: [{port: 80, targetPort: a_b}]}", ["error VALUE spec.ports[0].targetPort"]],
    ["spec: {ports: [{port: 80}], clusterIP: nowhere}", ["error VALUE spec.clusterIP"]],
    ["spec: {ports: [{port: 80}], selector: {version: 1}}", ["error TYPE spec.selector.version"]],
  ];
  for (const [body, expected] of wrong) {
    it(`refuses ${body || "nothing"}`, () => {
      assert.deepEqual(problemsOf(core("Service", body)), expected);
      assert.deepEqual(decode(core("Service", body)).resources, []);
    });
  }
});

describe("EndpointSlice", () => {
  const slice = (body: string): string =>
    `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x, labels: {kubernetes.io/service-name: web}}\n${body}`;

  it("decodes endpoints with their conditions", () => {
    const decoded = decodeOne(
      "EndpointSlice",
      slice(`addressType: IPv4
ports: [{name: http, port: 8080}, {port: 53, protocol: UDP}, {name: all}, {name: "", port: 81}]
endpoints:
- {addresses: [10.0.0.1], zone: a, targetRef: {kind: Pod, name: web-1}}
- {addresses: [10.0.0.2], conditions: {ready: false}, targetRef: {kind: Node, name: n}}
- {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}}`),
    );
    assert.deepEqual([decoded.service, decoded.addressType], ["web", "IPv4"]);
    assert.deepEqual(decoded.ports, [
      { name: "http", port: 8080 },
      { name: "", port: 81 },
    ]);
    assert.deepEqual(decoded.endpoints, [
      { addresses: ["10.0.0.1"], ready: true, serving: true, terminating: false, zone: "a", pod: "web-1", node: "" },
      { addresses: ["10.0.0.2"], ready: false, serving: false, terminating: false, zone: "", pod: "", node: "" },
      { addresses: ["10.0.0.3"], ready: false, serving: true, terminating: true, zone: "", pod: "", node: "" },
    ]);
  });

  it("takes null for empty lists, as the API server writes it", () => {
    const decoded = decodeOne("EndpointSlice", slice("addressType: IPv4\nendpoints: null\nports: null"));
    assert.deepEqual([decoded.endpoints, decoded.ports], [[], []]);
  });

  it("needs a valid address type and addresses", () => {
    assert.deepEqual(problemsOf(slice("addressType: ipv4\nendpoints: [{addresses: []}, {addresses: ['a b']}]")), [
      "error VALUE addressType",
      "error REQUIRED endpoints[0].addresses",
      "error VALUE endpoints[1].addresses[0]",
    ]);
  });
});

describe("Endpoints", () => {
  it("decodes subsets", () => {
    const text = core(
      "Endpoints",
      "subsets: [{addresses: [{ip: 10.0.0.1, targetRef: {kind: Pod, name: p}}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 80}]}]",
    );
    assert.deepEqual(decodeOne("Endpoints", text).subsets, [
      {
        addresses: [{ ip: "10.0.0.1", pod: "p", node: "" }],
        notReadyAddresses: [{ ip: "10.0.0.2", pod: "", node: "" }],
        ports: [{ name: "http", port: 80 }],
      },
    ]);
  });
});
