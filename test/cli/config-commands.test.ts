// SPDX-License-Identifier: Apache-2.0
// `naru validate` and `naru routes` over the sample manifests, as they are.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parse } from "yaml";
import { runNaru, startNaru } from "./support/run-naru.ts";
import { openWorkspace } from "./support/workspace.ts";

const bookinfo = ["-f", "istio-bookinfo/bookinfo.yaml", "-f", "istio-bookinfo/bookinfo-gateway.yaml"];

interface Validation {
  readonly ok: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly problems: readonly { readonly code: string; readonly position: { readonly line: number } }[];
  readonly ignored: readonly { readonly kind: string; readonly count: number }[];
}

interface Explained {
  readonly virtualHost: string | null;
  readonly matched: { readonly path: string; readonly position: unknown } | null;
  readonly routes: readonly { readonly outcome: string; readonly failure: unknown }[];
}

suite("naru validate", { concurrency: 2 }, () => {
  test("takes Bookinfo as it is, and names kinds it does not read once", async () => {
    const { code, stdout, stderr } = await runNaru(["validate", ...bookinfo]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.equal(
      stdout,
      "6 resources read: 0 errors, 0 warnings\nnot read by this version: ServiceAccount v1 (4), Deployment apps/v1 (6)\n",
    );
  });

  test("allows warnings unless they count as errors", async () => {
    const args = ["validate", "seeds/three-services.yaml", "seeds/metallb-crds.yaml"];
    const [lax, failed] = await Promise.all([runNaru(args), runNaru([...args, "--warnings-as-errors"])]);
    assert.deepEqual([lax.code, failed.code], [0, 1]);
    assert.equal(lax.stdout, failed.stdout);
    assert.match(
      lax.stdout,
      /^seeds\/three-services\.yaml:44:7 VirtualService\/tservice\/tserviceinfo spec\.http\[0\]\.route\[0\]\.destination\.host: .* \[REFERENCE\] \(warning\)$/m,
    );
  });

  test("finds errors, and says the same as text, table, JSON and YAML", async () => {
    const args = ["validate", "istio-bookinfo"];
    const [text, table, json, yaml] = await Promise.all(
      ["text", "table", "json", "yaml"].map((output) => runNaru([...args, "-o", output])),
    );
    assert.ok(text !== undefined && table !== undefined && json !== undefined && yaml !== undefined);
    for (const { code, stderr } of [text, table, json, yaml])
      assert.deepEqual({ code, stderr }, { code: 1, stderr: "" });
    const data = JSON.parse(json.stdout) as Validation;
    assert.deepEqual(parse(yaml.stdout), data);
    assert.equal(data.ok, false);
    const lines = text.stdout.split("\n").filter((line) => line.endsWith("(error)") || line.endsWith("(warning)"));
    assert.equal(lines.length, data.problems.length);
    assert.equal(
      table.stdout.split("\n").filter((line) => /^(?:error|warning) /.test(line)).length,
      data.problems.length,
    );
    assert.equal(lines.filter((line) => line.endsWith("(error)")).length, data.counts["error"]);
    assert.ok(data.problems.some(({ code, position }) => code === "DUPLICATE_RESOURCE" && position.line > 0));
    assert.equal(data.ignored.find(({ kind }) => kind === "Deployment")?.count, 6);
  });

  test("tells what only the announcer would stumble over", async () => {
    await using workspace = await openWorkspace();
    const file = await workspace.write(
      "pools.yaml",
      `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan}
spec: {addresses: [192.168.1.0/24]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router}
spec: {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, password: hush, bfdProfile: fast}
`,
    );
    const [text, json] = await Promise.all(["text", "json"].map((output) => runNaru(["validate", file, "-o", output])));
    assert.ok(text !== undefined && json !== undefined);
    assert.equal(text.code, 1);
    assert.match(text.stdout, /pools\.yaml:1:1 IPAddressPool\/default\/lan: .* \[UNATTACHED\] \(warning\)$/m);
    assert.match(
      text.stdout,
      /pools\.yaml:6:1 BGPPeer\/default\/router spec\.bfdProfile: .* \[REFERENCE\] \(error\)$/m,
    );
    assert.doesNotMatch(text.stdout + json.stdout + text.stderr + json.stderr, /hush/);
  });

  test("a path that is not there is an error at that path", async () => {
    const { code, stdout } = await runNaru(["validate", "no/such/file.yaml"]);
    assert.equal(code, 1);
    assert.match(stdout, /^no\/such\/file\.yaml:1:1: .* \[FILE_UNREADABLE\] \(error\)$/m);
  });
});

suite("naru routes", { concurrency: 2 }, () => {
  test("lists every route of the gateway in order, and those of the mesh", async () => {
    const { code, stdout, stderr } = await runNaru(["routes", ...bookinfo]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const rows = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    const gateway = rows.filter(([listener]) => listener === "gateway:8080");
    assert.deepEqual(
      gateway.map(([, hosts, order, match]) => [hosts, order, match]),
      [
        ["*", "1", "exact /productpage"],
        ["*", "2", "prefix /static"],
        ["*", "3", "exact /login"],
        ["*", "4", "exact /logout"],
        ["*", "5", "prefix /api/v1/products"],
      ],
    );
    assert.deepEqual(gateway[1]?.slice(4), [
      "productpage.default.svc.cluster.local:9080",
      "istio-bookinfo/bookinfo-gateway.yaml:31:7",
    ]);
    assert.ok(
      rows.some(([listener, host]) => listener === "mesh:9080" && host === "reviews.default.svc.cluster.local"),
    );
  });

  test("explains which route takes a request, and why the ones before it do not", async () => {
    const args = ["routes", ...bookinfo, "--host", "shop.example", "--path", "/static/x.css?v=1"];
    const [table, json, yaml] = await Promise.all(
      ["table", "json", "yaml"].map((output) => runNaru([...args, "-o", output])),
    );
    assert.ok(table !== undefined && json !== undefined && yaml !== undefined);
    assert.equal(table.code, 0);
    assert.match(table.stdout, /^route +2 of 5: prefix \/static$/m);
    assert.match(table.stdout, /^1 .*no: uri is "\/static\/x\.css", not exact "\/productpage"/m);
    const explained = JSON.parse(json.stdout) as readonly Explained[];
    assert.deepEqual(parse(yaml.stdout), explained);
    assert.deepEqual(
      explained[0]?.routes.map(({ outcome }) => outcome),
      ["failed", "matched", "not reached", "not reached", "not reached"],
    );
    assert.deepEqual(explained[0]?.routes[0]?.failure, {
      condition: "uri",
      wanted: 'exact "/productpage"',
      actual: "/static/x.css",
    });
    assert.deepEqual(explained[0]?.matched?.position, {
      file: "istio-bookinfo/bookinfo-gateway.yaml",
      line: 31,
      column: 7,
    });
  });

  test("exit code 1 when no route or no host takes it", async () => {
    const [noRoute, noHost, noPort] = await Promise.all([
      runNaru(["routes", ...bookinfo, "--path", "/nothing"]),
      runNaru(["routes", "seeds/three-services.yaml", "--host", "shop.example"]),
      runNaru(["routes", ...bookinfo, "--path", "/", "--port", "81"]),
    ]);
    assert.deepEqual([noRoute.code, noHost.code, noPort.code], [1, 1, 1]);
    assert.match(noRoute.stdout, /^no route +none of the 5 routes matches: 404, flag NR$/m);
    assert.match(noHost.stdout, /^no host +nothing in route table http\.80 serves the host 'shop\.example'$/m);
    assert.equal(noPort.stderr, "naru: no gateway route table for port 81; ports that have one: 8080\n");
  });

  test("says so when nothing was read, or no Gateway is served", async () => {
    await using workspace = await openWorkspace();
    const { folder } = workspace;
    const none = /^naru: there is no file that ends in \.yaml, \.yml or \.json; check the paths$/m;
    const [validate, routes, vips] = await Promise.all(
      ["validate", "routes", "vips"].map((command) => runNaru([command, folder])),
    );
    for (const result of [validate, routes, vips]) assert.match(result!.stderr, none);
    assert.deepEqual([validate!.code, vips!.code], [0, 1]);
    const other = await runNaru(["routes", ...bookinfo, "--host", "a", "--labels", "istio=egressgateway"]);
    assert.equal(other.code, 1);
    assert.equal(other.stderr, "naru: no Gateway is served; its spec.selector must be among --labels\n");
  });

  test("follows a call in the mesh by header, as Istio's sample for user jason does", async () => {
    const files = ["bookinfo", "destination-rule-all", "virtual-service-reviews-test-v2"].flatMap((name) => [
      "-f",
      `istio-bookinfo/${name}.yaml`,
    ]);
    const args = ["routes", ...files, "--mesh", "--host", "reviews:9080", "--path", "/reviews/0"];
    const [jason, others] = await Promise.all([runNaru([...args, "-H", "End-User: jason"]), runNaru(args)]);
    assert.match(jason.stdout, /^to +reviews\.default\.svc\.cluster\.local:9080 v2$/m);
    assert.match(others.stdout, /^to +reviews\.default\.svc\.cluster\.local:9080 v1$/m);
    assert.match(others.stdout, /^1 .*no: headers\.end-user is absent, not exact "jason"/m);
  });

  test("goes by host to the routes of each namespace", async () => {
    const args = [
      "routes",
      "seeds/three-services.yaml",
      "--host",
      "mservice.app.paas-test.com",
      "--path",
      "/test/http",
    ];
    const { code, stdout } = await runNaru(args);
    assert.equal(code, 0);
    assert.match(stdout, /^from +VirtualService\/mservice\/mserviceinfo spec\.http\[0\]\.match\[5\]$/m);
    assert.match(stdout, /^to +mservice\.mservice\.svc\.cluster\.local:80$/m);
  });

  test("refuses half a request", async () => {
    const [stray, relative] = await Promise.all([
      runNaru(["routes", "seeds", "--method", "POST"]),
      runNaru(["routes", "seeds", "--path", "cart"]),
    ]);
    assert.deepEqual([stray.code, relative.code], [2, 2]);
    assert.match(stray.stderr, /--method describes a request/);
    assert.match(relative.stderr, /a path starts with '\/'/);
  });

  test("ends quietly when its reader has seen enough", async () => {
    await using naru = startNaru(["routes", ...bookinfo]);
    naru.process.stdout.destroy();
    const { code, stderr } = await naru.ended;
    assert.deepEqual({ code, stderr }, { code: 141, stderr: "" });
  });
});
