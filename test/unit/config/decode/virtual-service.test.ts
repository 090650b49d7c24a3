// SPDX-License-Identifier: Apache-2.0
// VirtualService: what is decoded, and Istio's validation.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import type { HttpRule } from "../../../../src/model/index.ts";
import { decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const route = "route: [{destination: {host: a}}]";

function ruleOf(fields: string): HttpRule {
  const [rule] = decodeOne("VirtualService", istio("VirtualService", `hosts: [a]\nhttp: [{${fields}}]`)).http;
  assert.ok(rule !== undefined);
  return rule;
}

function ruleProblems(fields: string): readonly string[] {
  return problemsOf(istio("VirtualService", `hosts: [a]\nhttp: [{${fields}}]`)).map((problem) =>
    problem.replace("spec.http[0].", ""),
  );
}

describe("VirtualService", () => {
  it("decodes everything that is served", () => {
    const text = istio(
      "VirtualService",
      `hosts: [reviews, Shop.Example.COM., "*.wild.org", "*", 10.0.0.1]
gateways: [mesh, own, ./own, infra/edge, old.infra, older.infra.svc.cluster.local]
exportTo: [., other, "*"]
http:
- name: canary
  match:
  - name: jason
    uri: {prefix: /Reviews}
    ignoreUriCase: true
    method: {exact: GET}
    scheme: {exact: https}
    authority: {regex: "a|b"}
    headers: {End-User: {exact: jason}, x-any: {}, x-star: {regex: "*"}}
    withoutHeaders: {x-no: {prefix: a}}
    queryParams: {Debug: {exact: ""}}
    port: 9080
    gateways: [edge]
    sourceLabels: {app: web}
    sourceNamespace: front
  route:
  - destination: {host: Reviews, subset: v2, port: {number: 9080}}
    weight: 25
  - destination: {host: reviews.other.svc.cluster.local}
    weight: 75
  - destination: {host: never}
  timeout: 1m30s
  retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx, 503,GATEWAY-ERROR", backoff: 10ms}
`,
    );
    const service = decodeOne("VirtualService", text);
    assert.deepEqual(decode(text).problems, []);
    const at = (line: number, column: number) => ({ file: "test.yaml", line, column });
    assert.deepEqual(service, {
      kind: "VirtualService",
      namespace: "shop",
      name: "x",
      labels: {},
      createdMs: null,
      order: 0,
      position: at(1, 1),
      hosts: ["reviews.shop.svc.cluster.local", "shop.example.com", "*.wild.org", "*", "10.0.0.1"],
      gateways: ["mesh", "shop/own", "shop/own", "infra/edge", "infra/old", "infra/older"],
      exportTo: ["shop", "other", "*"],
      http: [
        {
          position: at(9, 5),
          name: "canary",
          match: [
            {
              position: at(11, 7),
              name: "jason",
              uri: { kind: "prefix", value: "/Reviews" },
              ignoreUriCase: true,
              method: { kind: "exact", value: "GET" },
              scheme: { kind: "exact", value: "https" },
              authority: { kind: "regex", value: "a|b" },
              headers: {
                "end-user": { kind: "exact", value: "jason" },
                "x-any": { kind: "presence" },
                "x-star": { kind: "presence" },
              },
              withoutHeaders: { "x-no": { kind: "prefix", value: "a" } },
              queryParams: { Debug: { kind: "exact", value: "" } },
              port: 9080,
              gateways: ["shop/edge"],
              sourceLabels: { app: "web" },
              sourceNamespace: "front",
            },
          ],
          route: [
            { position: at(25, 7), host: "reviews.shop.svc.cluster.local", subset: "v2", port: 9080, weight: 25 },
            { position: at(27, 7), host: "reviews.other.svc.cluster.local", subset: "", port: null, weight: 75 },
          ],
          timeoutMs: 90_000,
          retries: {
            attempts: 3,
            perTryTimeoutMs: 250,
            retryOn: ["5xx", "gateway-error", "retriable-status-codes"],
            retriableStatusCodes: [503],
            backoffMs: 10,
          },
        },
      ],
    });
  });

  it("has Istio's defaults", () => {
    const service = decodeOne("VirtualService", istio("VirtualService", `hosts: [a]\nhttp: [{${route}}]`));
    assert.deepEqual([service.gateways, service.exportTo], [["mesh"], ["*"]]);
    assert.deepEqual(service.http, [
      {
        position: { file: "test.yaml", line: 6, column: 10 },
        name: "",
        match: [],
        route: [
          {
            position: { file: "test.yaml", line: 6, column: 19 },
            host: "a.shop.svc.cluster.local",
            subset: "",
            port: null,
            weight: 1,
          },
        ],
        timeoutMs: 0,
        retries: null,
      },
    ]);
    assert.deepEqual(ruleOf(`${route}, retries: {attempts: 2}`).retries, {
      attempts: 2,
      perTryTimeoutMs: 0,
      retryOn: ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"],
      retriableStatusCodes: [],
      backoffMs: 25,
    });
    assert.equal(ruleOf(`${route}, retries: {}`).retries?.attempts, 0);
  });

  const weights: readonly (readonly [string, readonly (readonly [string, number])[]])[] = [
    ["{destination: {host: a.b}, weight: 7}", [["a.b", 1]]],
    ["{destination: {host: a.b}, weight: 0}", [["a.b", 1]]],
    ["{destination: {host: a.b}, weight: 0}, {destination: {host: c.d}, weight: 9}", [["c.d", 1]]],
    [
      "{destination: {host: a.b}, weight: 1}, {destination: {host: c.d}}, {destination: {host: e.f}, weight: 2}",
      [
        ["a.b", 1],
        ["e.f", 2],
      ],
    ],
  ];
  for (const [written, expected] of weights) {
    it(`weighs ${written}`, () => {
      assert.deepEqual(
        ruleOf(`route: [${written}]`).route.map(({ host, weight }) => [host, weight]),
        expected,
      );
    });
  }

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["name: x", ["error REQUIRED spec.http[0]"]],
    ["route: []", ["error REQUIRED spec.http[0]"]],
    ["route: [{}]", ["error REQUIRED route[0]"]],
    ["route: [{destination: {subset: a}}]", ["error REQUIRED route[0].destination"]],
    ["route: [{destination: {host: '*'}}]", ["error VALUE route[0].destination.host"]],
    ["route: [{destination: {host: 'a b'}}]", ["error VALUE route[0].destination.host"]],
    ["route: [{destination: {host: a, subset: A_b}}]", ["error VALUE route[0].destination.subset"]],
    ["route: [{destination: {host: a, port: {number: 0}}}]", ["error VALUE route[0].destination.port.number"]],
    ["route: [{destination: {host: a, port: {}}}]", ["error REQUIRED route[0].destination.port"]],
    ["route: [{destination: {host: a}, weight: -1}]", ["error VALUE route[0].weight"]],
    ["route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]", ["error VALUE route"]],
    [`${route}, timeout: 0.5ms`, ["error VALUE timeout"]],
    [`${route}, timeout: 1.5ms`, ["error VALUE timeout"]],
    [`${route}, timeout: -1s`, ["error VALUE timeout"]],
    [`${route}, timeout: 5`, ["error TYPE timeout"]],
    [`${route}, timeout: 10000h`, ["error VALUE timeout"]],
    [`${route}, retries: {attempts: -1}`, ["error VALUE retries.attempts"]],
    [`${route}, retries: {retryOn: 5xx}`, ["error CONFLICT retries"]],
    [`${route}, retries: {attempts: 1, retryOn: "5xx,teapot"}`, ["warning VALUE retries.retryOn"]],
    [`${route}, retries: {attempts: 1, retryOn: "retriable-headers"}`, ["warning UNSERVED_FIELD retries.retryOn"]],
    [`${route}, match: [{}]`, ["error VALUE match[0]"]],
    [`${route}, match: [{uri: {prefix: ""}}]`, ["error VALUE match[0].uri.prefix"]],
    [`${route}, match: [{uri: {regex: ""}}]`, ["error VALUE match[0].uri.regex"]],
    [`${route}, match: [{uri: {regex: "("}}]`, ["error REGEX match[0].uri.regex"]],
    [`${route}, match: [{uri: {regex: "(?=a)b"}}]`, ["error REGEX match[0].uri.regex"]],
    [`${route}, match: [{uri: {regex: "*"}}]`, ["error REGEX match[0].uri.regex"]],
    [`${route}, match: [{uri: {regex: "${"a".repeat(1025)}"}}]`, ["error VALUE match[0].uri.regex"]],
    [`${route}, match: [{uri: {exact: a, regex: b}}]`, ["error CONFLICT match[0].uri"]],
    [`${route}, match: [{uri: {regex: /a}, ignoreUriCase: true}]`, ["warning VALUE match[0].ignoreUriCase"]],
    [`${route}, match: [{headers: {"a b": {exact: c}}}]`, ['error VALUE match[0].headers["a b"]']],
    [`${route}, match: [{headers: {A: {exact: c}, a: {exact: d}}}]`, ["error CONFLICT match[0].headers.a"]],
    [`${route}, match: [{headers: {uri: {exact: /}}}]`, ["warning VALUE match[0].headers.uri"]],
    [
      `${route}, match: [{headers: {"@request.auth.claims.a": {exact: b}}}]`,
      ['error UNSERVED_FIELD match[0].headers["@request.auth.claims.a"]'],
    ],
    [`${route}, match: [{gateways: [a/b/c]}]`, ["error VALUE match[0].gateways[0]"]],
    [`${route}, match: [{sourceLabels: {"a b": c}}]`, ['error VALUE match[0].sourceLabels["a b"]']],
    [`${route}, match: [{sourceLabels: {a: "c d"}}]`, ["error VALUE match[0].sourceLabels.a"]],
    ["redirect: {uri: /a}", ["error UNSERVED_FIELD redirect"]],
    ["directResponse: {status: 200}", ["error UNSERVED_FIELD directResponse"]],
    ["delegate: {name: a}", ["error UNSERVED_FIELD delegate"]],
    [`${route}, rewrite: {uri: /}`, ["error UNSERVED_FIELD rewrite"]],
    [`${route}, redirect: {uri: /a}`, ["error UNSERVED_FIELD redirect", "error CONFLICT redirect"]],
    [
      `${route}, fault: {}, mirror: {host: b}, mirrorPercentage: {value: 5}, corsPolicy: {}, headers: {}`,
      [
        "warning UNSERVED_FIELD fault",
        "warning UNSERVED_FIELD mirror",
        "warning UNSERVED_FIELD corsPolicy",
        "warning UNSERVED_FIELD headers",
      ],
    ],
    [
      `${route}, mirror: {host: b}, mirrors: [{}]`,
      ["warning UNSERVED_FIELD mirror", "error CONFLICT mirror", "warning UNSERVED_FIELD mirrors"],
    ],
  ];
  for (const [fields, expected] of wrong) {
    it(`reports ${fields.slice(0, 90)}`, () => {
      assert.deepEqual(ruleProblems(fields), expected);
      const isServed = expected.every((problem) => problem.startsWith("warning"));
      assert.equal(
        decode(istio("VirtualService", `hosts: [a]\nhttp: [{${fields}}]`)).resources.length,
        isServed ? 1 : 0,
      );
    });
  }

  it("takes 0s for no timeout and null conditions for any value", () => {
    assert.equal(ruleOf(`${route}, timeout: 0s`).timeoutMs, 0);
    const [match] = ruleOf(`${route}, match: [{uri: {}, port: 0}]`).match;
    assert.deepEqual([match?.uri, match?.port], [null, null]);
  });

  it("is left out when only tls or tcp rules are there", () => {
    assert.deepEqual(problemsOf(istio("VirtualService", "hosts: [a]\ntls: [{}]")), [
      "warning UNSERVED_FIELD spec.tls",
      "error UNSERVED_FIELD spec.tls",
    ]);
    assert.deepEqual(problemsOf(istio("VirtualService", "hosts: [a]")), ["error REQUIRED spec"]);
  });

  it("expands short names with the given cluster domain", () => {
    const { resources } = decodeDocuments("f", istio("VirtualService", `hosts: [a]\nhttp: [{${route}}]`), 0, {
      clusterDomain: "corp.test",
    });
    const [resource] = resources;
    assert.ok(resource?.kind === "VirtualService");
    assert.deepEqual(resource.hosts, ["a.shop.svc.corp.test"]);
  });
});
