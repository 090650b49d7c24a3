// SPDX-License-Identifier: Apache-2.0
// Known and served, known and unserved, unknown: what becomes of each field.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatProblem } from "../../../../src/model/index.ts";
import { core, decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const route = "route: [{destination: {host: a}}]";

describe("unknown fields", () => {
  const typos: readonly (readonly [string, string, string | null])[] = [
    ["gatways", "gateways", null],
    ["hsots", "hosts", null],
    ["export_to", "", null],
    ["completelyDifferent", "", "and it is ignored; remove it"],
    ["x".repeat(70), "", "and it is ignored; remove it"],
  ];
  for (const [field, suggestion, ending] of typos) {
    it(`${field.slice(0, 20)} → ${suggestion || "no suggestion"}`, () => {
      const text = istio("VirtualService", `hosts: [a]\nhttp: [{${route}}]\n${field}: ["*"]`);
      assert.equal(decodeOne("VirtualService", text).hosts.length, 1);
      const messages = decode(text).problems.map((problem) => problem.message);
      if (suggestion !== "") assert.match(messages[0] ?? "", new RegExp(`did you mean \`${suggestion}\``));
      else if (ending === null) assert.deepEqual(messages, []);
      else assert.ok(messages[0]?.endsWith(ending) ?? false, messages.join());
    });
  }

  it("stand at their key", () => {
    const { problems } = decode(istio("VirtualService", `hosts: [a]\nhttp:\n- ${route}\n  timeuot:\n    5s`));
    assert.deepEqual(problems.map(formatProblem), [
      'test.yaml:8:5 VirtualService/shop/x spec.http[0].timeuot: there is no field "timeuot" here and it is ignored; did you mean `timeout`? [UNKNOWN_FIELD]',
    ]);
  });

  it("do not break keys of Object.prototype", () => {
    const text = istio(
      "VirtualService",
      `hosts: [a]\nconstructor: 1\ntoString: 1\n__proto__: 1\nhttp:\n- ${route}\n  match: [{headers: {__proto__: {exact: a}}}]`,
    );
    const service = decodeOne("VirtualService", text);
    assert.equal(decode(text).problems.length, 3);
    assert.deepEqual(Object.keys(service.http[0]?.match[0]?.headers ?? {}), ["__proto__"]);
  });
});

describe("snake_case", () => {
  it("is the same field in Istio kinds", () => {
    const text = istio(
      "VirtualService",
      `hosts: [a]\nexport_to: [b]\nhttp: [{${route}, retries: {attempts: 1, per_try_timeout: 2s, retry_on: 5xx}}]`,
    );
    const service = decodeOne("VirtualService", text);
    assert.deepEqual(service.exportTo, ["b"]);
    assert.equal(service.http[0]?.retries?.perTryTimeoutMs, 2000);
    assert.deepEqual(decode(text).problems, []);
  });

  it("cannot stand beside camelCase", () => {
    assert.deepEqual(
      problemsOf(istio("VirtualService", `hosts: [a]\nexport_to: [b]\nexportTo: [c]\nhttp: [{${route}}]`)),
      ["error CONFLICT spec.exportTo"],
    );
  });

  it("is unknown in Kubernetes kinds", () => {
    assert.deepEqual(problemsOf(core("Service", "spec: {ports: [{port: 80, target_port: 81}]}")), [
      "warning UNKNOWN_FIELD spec.ports[0].target_port",
    ]);
  });
});

describe("null", () => {
  it("is the same as absent", () => {
    const text = istio(
      "VirtualService",
      `hosts: [a]\ngateways:\ntls: null\nhttp: [{${route}, match: ~, redirect: null, fault: ~}]`,
    );
    assert.deepEqual(decodeOne("VirtualService", text).gateways, ["mesh"]);
    assert.deepEqual(decode(text).problems, []);
  });

  it("is missing where something is required, and no item of a list", () => {
    assert.deepEqual(problemsOf(istio("VirtualService", `hosts: ~\nhttp: [{${route}}]`)), ["error REQUIRED spec"]);
    assert.deepEqual(problemsOf(istio("VirtualService", `hosts: [~]\nhttp: [{${route}}]`)), [
      "error TYPE spec.hosts[0]",
    ]);
  });
});

describe("types", () => {
  const wrong: readonly (readonly [string, string])[] = [
    ["hosts: a", "error TYPE spec.hosts"],
    ["hosts: [1]", "error TYPE spec.hosts[0]"],
    ["hosts: [{a: b}]", "error TYPE spec.hosts[0]"],
    ["hosts: [a]\nhttp: {}", "error TYPE spec.http"],
    ["hosts: [a]\nhttp: [text]", "error TYPE spec.http[0]"],
    [`hosts: [a]\nhttp: [{${route}, timeout: 5}]`, "error TYPE spec.http[0].timeout"],
    [`hosts: [a]\nhttp: [{${route}, retries: {attempts: "3"}}]`, "error TYPE spec.http[0].retries.attempts"],
    [`hosts: [a]\nhttp: [{${route}, retries: {attempts: 1.5}}]`, "error VALUE spec.http[0].retries.attempts"],
    [
      `hosts: [a]\nhttp: [{${route}, match: [{ignoreUriCase: "yes"}]}]`,
      "error TYPE spec.http[0].match[0].ignoreUriCase",
    ],
    [`hosts: [a]\nhttp: [{${route}, match: [{headers: [a]}]}]`, "error TYPE spec.http[0].match[0].headers"],
  ];
  for (const [spec, expected] of wrong) {
    it(spec.replace("\n", "; "), () => {
      const found = problemsOf(istio("VirtualService", spec));
      assert.ok(found.includes(expected), found.join(", "));
      assert.deepEqual(decode(istio("VirtualService", spec)).resources, []);
    });
  }
});

describe("all problems at once", () => {
  it("reports every problem of every document by position", () => {
    const first = istio(
      "VirtualService",
      `hosts: [a, "b*.c"]
gatways: [g]
http:
- match:
  - uri: {exact: /a, prefix: /b}
    headers: {x: {regex: "("}}
  - {}
  route:
  - destination: {host: a, port: {number: 70000}}
    weigth: 1
  - weight: 5
  timeout: soon
- name: nothing`,
    );
    const second = istio("Gateway", "servers: [{port: {number: 80}, hosts: [a/b/c]}]");
    assert.deepEqual(problemsOf(`${first}\n---\n${second}`), [
      "error VALUE spec.hosts[1]",
      "warning UNKNOWN_FIELD spec.gatways",
      "error CONFLICT spec.http[0].match[0].uri",
      "error REGEX spec.http[0].match[0].headers.x.regex",
      "error VALUE spec.http[0].match[1]",
      "error VALUE spec.http[0].route[0].destination.port.number",
      "warning UNKNOWN_FIELD spec.http[0].route[0].weigth",
      "error REQUIRED spec.http[0].route[1]",
      "error VALUE spec.http[0].timeout",
      "error REQUIRED spec.http[1]",
      "error REQUIRED spec.servers[0].port",
      "error REQUIRED spec.servers[0].port",
      "error VALUE spec.servers[0].hosts[0]",
    ]);
  });
});
