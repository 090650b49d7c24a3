// SPDX-License-Identifier: Apache-2.0
// DestinationRule: load balancers, connection pools, subsets.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const nothing = {
  connectTimeoutMs: null,
  maxConnections: null,
  maxPendingRequests: null,
  maxRequests: null,
  maxRequestsPerConnection: null,
  maxRetries: null,
  idleTimeoutMs: null,
};

describe("DestinationRule", () => {
  it("decodes policies of host, port and subset", () => {
    const text = istio(
      "DestinationRule",
      `host: reviews
exportTo: [.]
trafficPolicy:
  loadBalancer: {simple: ROUND_ROBIN}
  connectionPool:
    tcp: {maxConnections: 10, connectTimeout: 30ms}
    http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 0, maxRetries: 3, idleTimeout: 0s}
  portLevelSettings:
  - port: {number: 80}
    loadBalancer: {simple: RANDOM}
  - port: {number: 81}
    connectionPool: {tcp: {maxConnections: 0}}
subsets:
- name: v1
  labels: {version: v1}
- name: v2
  trafficPolicy: {loadBalancer: {}}`,
    );
    const rule = decodeOne("DestinationRule", text);
    assert.deepEqual(decode(text).problems, []);
    assert.equal(rule.host, "reviews.shop.svc.cluster.local");
    assert.deepEqual(rule.exportTo, ["shop"]);
    assert.deepEqual(rule.trafficPolicy, {
      loadBalancer: "ROUND_ROBIN",
      connectionPool: {
        connectTimeoutMs: 30,
        maxConnections: 10,
        maxPendingRequests: 1,
        maxRequests: 2,
        maxRequestsPerConnection: 0,
        maxRetries: 3,
        idleTimeoutMs: 0,
      },
      portLevel: [
        { port: 80, loadBalancer: "RANDOM", connectionPool: null },
        { port: 81, loadBalancer: null, connectionPool: nothing },
      ],
    });
    assert.deepEqual(rule.subsets, [
      {
        position: { file: "test.yaml", line: 18, column: 5 },
        name: "v1",
        labels: { version: "v1" },
        trafficPolicy: null,
      },
      {
        position: { file: "test.yaml", line: 20, column: 5 },
        name: "v2",
        labels: {},
        trafficPolicy: { loadBalancer: "LEAST_REQUEST", connectionPool: null, portLevel: [] },
      },
    ]);
  });

  const balancers: readonly (readonly [string, string, readonly string[]])[] = [
    ["simple: LEAST_REQUEST", "LEAST_REQUEST", []],
    ["simple: LEAST_CONN", "LEAST_REQUEST", []],
    ["simple: UNSPECIFIED", "LEAST_REQUEST", []],
    ["simple: RANDOM", "RANDOM", []],
    ["simple: PASSTHROUGH", "LEAST_REQUEST", ["warning UNSERVED_FIELD spec.trafficPolicy.loadBalancer.simple"]],
    [
      "consistentHash: {useSourceIp: true}",
      "LEAST_REQUEST",
      ["warning UNSERVED_FIELD spec.trafficPolicy.loadBalancer.consistentHash"],
    ],
  ];
  for (const [written, expected, problems] of balancers) {
    it(`${written} → ${expected}`, () => {
      const text = istio("DestinationRule", `host: a\ntrafficPolicy: {loadBalancer: {${written}}}`);
      assert.equal(decodeOne("DestinationRule", text).trafficPolicy?.loadBalancer, expected);
      assert.deepEqual(problemsOf(text), problems);
    });
  }

  it("says that traffic goes in plain text, unless that was asked for", () => {
    for (const mode of ["ISTIO_MUTUAL", "SIMPLE", "MUTUAL"]) {
      const { problems, resources } = decode(
        istio("DestinationRule", `host: a\ntrafficPolicy: {tls: {mode: ${mode}}}`),
      );
      assert.equal(resources.length, 1);
      assert.equal(problems[0]?.severity, "warning");
      assert.match(problems[0].message, /plain text/);
    }
    assert.deepEqual(problemsOf(istio("DestinationRule", "host: a\ntrafficPolicy: {tls: {mode: DISABLE}}")), []);
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["subsets: []", ["error REQUIRED spec"]],
    ["host: a\nsubsets: [{labels: {a: b}}]", ["error REQUIRED spec.subsets[0]"]],
    ["host: a\nsubsets: [{name: v1}, {name: v1}]", ["error CONFLICT spec.subsets[1]"]],
    [
      "host: a\ntrafficPolicy: {loadBalancer: {simple: random}}",
      ["error VALUE spec.trafficPolicy.loadBalancer.simple"],
    ],
    [
      "host: a\ntrafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {}}}",
      [
        "error CONFLICT spec.trafficPolicy.loadBalancer.consistentHash",
        "warning UNSERVED_FIELD spec.trafficPolicy.loadBalancer.consistentHash",
      ],
    ],
    ["host: a\ntrafficPolicy: {portLevelSettings: [{}]}", ["error REQUIRED spec.trafficPolicy.portLevelSettings[0]"]],
    [
      "host: a\ntrafficPolicy: {portLevelSettings: [{port: {number: 1}}, {port: {number: 1}}]}",
      ["error CONFLICT spec.trafficPolicy.portLevelSettings[1]"],
    ],
    [
      "host: a\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 0s}}}",
      ["error VALUE spec.trafficPolicy.connectionPool.tcp.connectTimeout"],
    ],
    [
      "host: a\ntrafficPolicy: {connectionPool: {http: {maxRetries: -1}}}",
      ["error VALUE spec.trafficPolicy.connectionPool.http.maxRetries"],
    ],
    ["host: a\nworkloadSelector: {matchLabels: {a: b}}", ["error UNSERVED_FIELD spec.workloadSelector"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`refuses ${spec.replace("\n", "; ")}`, () => {
      assert.deepEqual(problemsOf(istio("DestinationRule", spec)), expected);
      assert.deepEqual(decode(istio("DestinationRule", spec)).resources, []);
    });
  }
});
