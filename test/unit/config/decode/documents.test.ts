// SPDX-License-Identifier: Apache-2.0
// Streams of documents: what counts as a resource, lists, YAML's own features, and text that is not YAML.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import { formatProblem, formatRef } from "../../../../src/model/index.ts";
import { core, decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const servicePort = "spec: {ports: [{port: 80}]}";

describe("documents", () => {
  it("keeps the order of a stream and skips empty documents", () => {
    const text = ["---", core("Service", servicePort), "# nothing here", "null", core("Namespace", ""), ""].join(
      "\n---\n",
    );
    const { resources, problems, nextOrder } = decodeDocuments("f", text, 10);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      resources.map((resource) => [formatRef(resource), resource.order]),
      [
        ["Service/shop/x", 10],
        ["Namespace/x", 11],
      ],
    );
    assert.equal(nextOrder, 12);
  });

  it("reads labels, age and position from the metadata", () => {
    const text = `# a comment\napiVersion: v1\nkind: Service\nmetadata:\n  name: x\n  labels: {app.kubernetes.io/name: y, v: "1"}\n  creationTimestamp: "2026-01-02T03:04:05Z"\n  annotations: {a: b}\n  uid: 1\n  managedFields: []\n  ownerReferences: []\n${servicePort}\nstatus: {loadBalancer: {}}`;
    const service = decodeOne("Service", text);
    assert.deepEqual(decode(text).problems, []);
    assert.deepEqual(service.labels, { "app.kubernetes.io/name": "y", v: "1" });
    assert.equal(service.createdMs, Date.UTC(2026, 0, 2, 3, 4, 5));
    assert.equal(service.namespace, "default");
    assert.deepEqual(service.position, { file: "test.yaml", line: 2, column: 1 });
  });

  it("reads JSON, indented with tabs", () => {
    const json = JSON.stringify(
      { apiVersion: "v1", kind: "Service", metadata: { name: "x" }, spec: { ports: [{ port: 80 }] } },
      null,
      "\t",
    );
    assert.equal(decodeOne("Service", json).ports[0]?.port, 80);
  });

  it("flattens List and typed lists, nested ones too", () => {
    const text = `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
  ${servicePort}
- apiVersion: v1
  kind: Pod
- apiVersion: networking.istio.io/v1
  kind: VirtualServiceList
  metadata: {resourceVersion: "1"}
  items:
  - metadata: {name: b}
    spec: {hosts: [b], http: [{route: [{destination: {host: b, prot: 1}}]}]}
`;
    const { resources, ignored, problems } = decode(text);
    assert.deepEqual(resources.map(formatRef), ["Service/default/a", "VirtualService/default/b"]);
    assert.deepEqual(ignored, [{ apiVersion: "v1", kind: "Pod", count: 1 }]);
    assert.equal(problems[0]?.path, "items[2].items[0].spec.http[0].route[0].destination.prot");
  });

  it("counts other kinds, also known names of other groups, and lists of them", () => {
    const gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: x}\n";
    const pods = "apiVersion: v1\nkind: PodList\nitems: []\n";
    const { resources, problems, ignored } = decode([gateway, gateway, pods].join("---\n"));
    assert.deepEqual([resources, problems], [[], []]);
    assert.deepEqual(ignored, [
      { apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", count: 2 },
      { apiVersion: "v1", kind: "PodList", count: 1 },
    ]);
  });

  it("takes every version of Istio's group and refuses unknown ones", () => {
    for (const version of ["v1", "v1beta1", "v1alpha3"]) {
      const text = `apiVersion: networking.istio.io/${version}\nkind: WorkloadEntry\nmetadata: {name: x}\nspec: {address: 10.0.0.1}`;
      assert.equal(decodeOne("WorkloadEntry", text).spec.address, "10.0.0.1");
    }
    const { problems, rejected } = decode("apiVersion: networking.istio.io/v2\nkind: Gateway\nmetadata: {name: x}\n");
    assert.deepEqual(problems.map(formatProblem), [
      "test.yaml:1:13 Gateway/default/x apiVersion: this version of Gateway is not read; write networking.istio.io/v1 or " +
        "networking.istio.io/v1beta1 or networking.istio.io/v1alpha3 [API_VERSION]",
    ]);
    assert.deepEqual(rejected.map(formatRef), ["Gateway/default/x"]);
  });

  const notResources: readonly (readonly [string, string])[] = [
    ["text", "just text"],
    ["a list", "- a\n- b"],
    ["no kind", "apiVersion: v1"],
    ["no apiVersion", "kind: Service"],
    ["no metadata", "apiVersion: v1\nkind: Service"],
    ["no name", "apiVersion: v1\nkind: Service\nmetadata: {namespace: a}"],
    ["a number as name", "apiVersion: v1\nkind: Service\nmetadata: {name: 12}"],
  ];
  for (const [name, text] of notResources) {
    it(`refuses a document that is no resource: ${name}`, () => {
      assert.deepEqual(
        decode(text).problems.map(({ code, severity }) => `${severity} ${code}`),
        ["error NOT_A_RESOURCE"],
      );
    });
  }

  it("checks names and namespaces", () => {
    assert.deepEqual(
      problemsOf(`apiVersion: v1\nkind: Service\nmetadata: {name: a.b, namespace: A_b}\n${servicePort}`),
      ["error VALUE metadata.name", "error VALUE metadata.namespace"],
    );
    assert.deepEqual(problemsOf(istio("WorkloadEntry", "address: 10.0.0.1").replace("name: x,", "name: a.b,")), []);
  });
});

describe("YAML features", () => {
  it("resolves aliases and merge keys", () => {
    const text = `apiVersion: v1
kind: Service
metadata: {name: x, labels: &labels {app: a, tier: web}}
spec:
  selector: {<<: *labels, app: b}
  ports: [&port {port: 80, name: http}, {<<: [*port, {protocol: UDP}], name: quic}]
`;
    const service = decodeOne("Service", text);
    assert.deepEqual(service.selector, { app: "b", tier: "web" });
    assert.deepEqual(
      service.ports.map(({ name, port, protocol }) => [name, port, protocol]),
      [
        ["http", 80, "TCP"],
        ["quic", 80, "UDP"],
      ],
    );
  });

  it("does not take quoted << for a merge key", () => {
    assert.deepEqual(problemsOf(core("Service", `spec:\n  "<<": {type: ClusterIP}\n  ports: [{port: 80}]`)), [
      'warning UNKNOWN_FIELD spec["<<"]',
    ]);
  });

  const broken: readonly (readonly [string, string, string])[] = [
    ["a key twice", core("Service", "spec:\n  type: ClusterIP\n  type: NodePort"), "6:3"],
    ["an unknown alias", core("Service", "spec: *nobody"), "4:7"],
    ["an anchor inside itself", core("Service", "spec: &a\n  ports: [*a]"), "5:11"],
    ["a merge of text", core("Service", "spec:\n  <<: text"), "5:3"],
    ["a list as key", core("Service", "spec:\n  [a, b]: c"), "5:3"],
    ["an open quote", core("Service", 'spec: "abc\n'), "5:1"],
    ["a tab", core("Service", "spec:\n\tports: []"), "5:1"],
  ];
  for (const [name, text, position] of broken) {
    it(`reports ${name} and rejects the document`, () => {
      const { resources, problems, rejected, complete } = decode(text);
      assert.deepEqual(resources, []);
      assert.equal(complete, false);
      const [first] = problems;
      assert.equal(first?.code, "YAML_SYNTAX");
      assert.equal(`${first.position.line}:${first.position.column}`, position);
      assert.deepEqual(rejected.map(formatRef), ["Service/shop/x"]);
    });
  }

  it("serves the documents around a broken one", () => {
    const text = [core("Namespace", ""), "foo: [1", core("Service", servicePort)].join("\n---\n");
    const { resources, complete } = decode(text);
    assert.deepEqual(resources.map(formatRef), ["Namespace/x", "Service/shop/x"]);
    assert.equal(complete, false);
  });

  it("never repeats the text of a broken document", () => {
    const secret = "hunter2";
    const texts = [
      `a: "${secret}`,
      `a: b: ${secret}`,
      `${secret}: [`,
      `a: *${secret}`,
      `{${secret}} ${secret}`,
      `a: "\\q${secret}"`,
      `!<${secret} x`,
    ];
    for (const text of texts) {
      const { problems } = decode(`apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n${text}`);
      assert.ok(problems.length > 0, text);
      for (const problem of problems) assert.ok(!formatProblem(problem).includes(secret), formatProblem(problem));
    }
  });
});

describe("bounds", () => {
  it("refuses an alias bomb without expanding it", () => {
    let text = `${istio("VirtualService", "hosts: [a]")}\n  http: &x0 [{match: [{uri: {exact: /}}], route: [{destination: {host: a}}]}]\n`;
    for (let level = 1; level < 40; level++)
      text += `  x${level}: &x${level} [${Array(10)
        .fill(`*x${level - 1}`)
        .join(",")}]\n`;
    const { resources, problems } = decode(text);
    assert.deepEqual(resources, []);
    assert.match(problems[0]?.message ?? "", /aliases expand to more than/);
  });

  it("refuses deep nesting", () => {
    for (const text of ["[".repeat(50_000), "- ".repeat(50_000), `a: ${"{a: ".repeat(200)}1${"}".repeat(200)}`]) {
      const { resources, problems, complete } = decode(text);
      assert.deepEqual([resources, complete], [[], false]);
      assert.match(problems[0]?.message ?? "", /nested/);
    }
  });

  it("lists a thousand problems and counts the rest", () => {
    const fields = Array.from({ length: 5_000 }, (_, index) => `  k${index}: 1`).join("\n");
    const { resources, problems } = decode(core("Service", `spec:\n${fields}\n  ports: 5`));
    assert.equal(problems.length, 1001);
    assert.match(problems.at(-1)?.message ?? "", /4000 more problems/);
    assert.equal(problems.at(-1)?.severity, "error", "the error among the uncounted must show");
    assert.deepEqual(resources, []);
  });

  it("takes a stream of 2 MB", () => {
    const one = `${core("Service", servicePort)}\n---\n`;
    const count = Math.ceil(2_000_000 / one.length);
    assert.equal(decode(one.repeat(count)).resources.length, count);
  });
});
