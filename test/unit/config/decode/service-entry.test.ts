// SPDX-License-Identifier: Apache-2.0
// ServiceEntry and WorkloadEntry.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const ports = "ports: [{number: 80, name: http, protocol: HTTP}]";

describe("ServiceEntry", () => {
  it("decodes a static entry", () => {
    const text = istio(
      "ServiceEntry",
      `hosts: [Api.Example.com]
location: MESH_INTERNAL
resolution: STATIC
exportTo: [.]
ports: [{number: 80, name: http, protocol: http, targetPort: 8080}, {number: 81, name: web}]
endpoints:
- {address: 10.0.0.1, ports: {http: 9000}, labels: {version: v1}, locality: eu/a, weight: 3, serviceAccount: api}
- {address: "fd00::1"}`,
    );
    const entry = decodeOne("ServiceEntry", text);
    assert.deepEqual(decode(text).problems, []);
    assert.deepEqual(entry, {
      kind: "ServiceEntry",
      namespace: "shop",
      name: "x",
      labels: {},
      createdMs: null,
      order: 0,
      position: { file: "test.yaml", line: 1, column: 1 },
      hosts: ["api.example.com"],
      ports: [
        { number: 80, name: "http", protocol: "HTTP", targetPort: 8080 },
        { number: 81, name: "web", protocol: "", targetPort: 81 },
      ],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      endpoints: [
        {
          position: { file: "test.yaml", line: 11, column: 5 },
          address: "10.0.0.1",
          ports: { http: 9000 },
          labels: { version: "v1" },
          locality: "eu/a",
          weight: 3,
          serviceAccount: "api",
        },
        {
          position: { file: "test.yaml", line: 12, column: 5 },
          address: "fd00::1",
          ports: {},
          labels: {},
          locality: "",
          weight: 1,
          serviceAccount: "",
        },
      ],
      workloadSelector: null,
      exportTo: ["shop"],
    });
  });

  it("decodes a DNS entry and a selector", () => {
    const entry = decodeOne(
      "ServiceEntry",
      istio("ServiceEntry", `hosts: [a.b]\nresolution: DNS\n${ports}\nworkloadSelector: {labels: {app: a}}`),
    );
    assert.deepEqual(
      [entry.resolution, entry.location, entry.workloadSelector, entry.exportTo],
      ["DNS", "MESH_EXTERNAL", { app: "a" }, ["*"]],
    );
  });

  it("decodes a Unix socket to its path", () => {
    const text = `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix:///run/a.b/Web.sock"}]`;
    const entry = decodeOne("ServiceEntry", istio("ServiceEntry", text));
    assert.deepEqual(
      entry.endpoints.map(({ address }) => address),
      ["/run/a.b/Web.sock"],
    );
  });

  it("treats DNS_ROUND_ROBIN as DNS with a warning", () => {
    const text = istio("ServiceEntry", `hosts: [a.b]\nresolution: DNS_ROUND_ROBIN\n${ports}`);
    assert.equal(decodeOne("ServiceEntry", text).resolution, "DNS");
    assert.deepEqual(problemsOf(text), ["warning UNSERVED_FIELD spec.resolution"]);
  });

  const endpoint = "endpoints: [{address: 10.0.0.1}]";
  const wrong: readonly (readonly [string, readonly string[]])[] = [
    [`resolution: DNS\n${ports}`, ["error REQUIRED spec"]],
    [`hosts: ["*"]\nresolution: DNS\n${ports}`, ["error VALUE spec.hosts[0]"]],
    [`hosts: ["*.a.b"]\nresolution: DNS\n${ports}`, ["error VALUE spec.hosts"]],
    ["hosts: [a.b]\nresolution: DNS", ["error REQUIRED spec"]],
    [`hosts: [a.b]\n${ports}`, ["error UNSERVED_FIELD spec"]],
    [`hosts: [a.b]\nresolution: NONE\n${ports}`, ["error UNSERVED_FIELD spec.resolution"]],
    [`hosts: [a.b]\nresolution: DYNAMIC_DNS\n${ports}`, ["error UNSERVED_FIELD spec.resolution"]],
    [`hosts: [a.b]\nresolution: STATIC\n${ports}`, ["error REQUIRED spec"]],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: c.d}]`,
      ["error VALUE spec.endpoints[0].address"],
    ],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix://@a"}]`,
      ["error UNSERVED_FIELD spec.endpoints[0].address"],
    ],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix:a/b"}]`,
      ["error VALUE spec.endpoints[0].address"],
    ],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix://a/b"}]`,
      ["error VALUE spec.endpoints[0].address"],
    ],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix:///${"a".repeat(103)}"}]`,
      ["error VALUE spec.endpoints[0].address"],
    ],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{address: "unix:///a", ports: {http: 1}}]`,
      ["error CONFLICT spec.endpoints[0].ports"],
    ],
    [
      `hosts: [a.b]\nresolution: DNS\n${ports}\nendpoints: [{address: "unix:///a"}]`,
      ["error VALUE spec.endpoints[0].address"],
    ],
    [`hosts: [a.b]\nresolution: STATIC\n${ports}\nendpoints: [{}]`, ["error REQUIRED spec.endpoints[0]"]],
    [
      `hosts: [a.b]\nresolution: STATIC\n${ports}\n${endpoint}\nworkloadSelector: {labels: {a: b}}`,
      ["error CONFLICT spec.workloadSelector"],
    ],
    [
      `hosts: [a.b]\nresolution: DNS\nports: [{number: 80, name: a}, {number: 80, name: b}]`,
      ["error CONFLICT spec.ports[1]"],
    ],
    [
      `hosts: [a.b]\nresolution: DNS\nports: [{number: 80, name: a}, {number: 81, name: a}]`,
      ["error CONFLICT spec.ports[1]"],
    ],
    [`hosts: [a.b]\nresolution: DNS\nports: [{number: 80}]`, ["error REQUIRED spec.ports[0]"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`refuses ${spec.replaceAll("\n", "; ")}`, () => {
      assert.deepEqual(problemsOf(istio("ServiceEntry", spec)), expected);
      assert.deepEqual(decode(istio("ServiceEntry", spec)).resources, []);
    });
  }
});

describe("WorkloadEntry", () => {
  it("decodes the same fields", () => {
    const { spec } = decodeOne(
      "WorkloadEntry",
      istio("WorkloadEntry", "address: vm.example.com\nlabels: {app: a}\nweight: 0"),
    );
    assert.deepEqual([spec.address, spec.labels, spec.weight], ["vm.example.com", { app: "a" }, 1]);
    assert.deepEqual(spec.position, { file: "test.yaml", line: 4, column: 1 });
  });

  it("needs an address", () => {
    assert.deepEqual(problemsOf(istio("WorkloadEntry", "labels: {app: a}")), ["error REQUIRED spec"]);
    assert.deepEqual(problemsOf(istio("WorkloadEntry", "address: a b")), ["error VALUE spec.address"]);
  });
});
