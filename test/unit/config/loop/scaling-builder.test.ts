// SPDX-License-Identifier: Apache-2.0
// Large configurations are built in a process of their own, with the results that a builder here would have.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { serialize } from "node:v8";
import { createBuilder } from "../../../../src/config/build.ts";
import {
  ScalingBuilder,
  startBuildProcess,
  type BuildResult,
  type StartProcess,
} from "../../../../src/config/scaling-builder.ts";
import type { SourceFile } from "../../../../src/config/source/index.ts";
import { gatewayOptions } from "../compile/builders.ts";

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["*"]
`;

function application(name: string, prefix: string, address: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  gateways: [gw]
  http:
  - match:
    - uri: { prefix: ${prefix} }
    route:
    - destination: { host: ${name} }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports:
  - { name: http, port: 80 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name} }
spec:
  address: ${address}
  labels: { app: ${name} }
`;
}

/** Too much to be built here. */
const padding: SourceFile = { path: "padding.yaml", text: `# ${"x".repeat(70_000)}\n` };

function small(web = application("web", "/app", "10.0.0.1")): readonly SourceFile[] {
  return [
    { path: "gateway.yaml", text: gateway },
    { path: "web.yaml", text: web },
  ];
}

function large(web?: string): readonly SourceFile[] {
  return [...small(web), padding];
}

describe("a builder that scales", { timeout: 60_000 }, () => {
  let builder = new ScalingBuilder(gatewayOptions, false);

  afterEach(async () => {
    await builder.close();
  });

  function fresh(start?: StartProcess): ScalingBuilder {
    builder = new ScalingBuilder(gatewayOptions, false, start);
    return builder;
  }

  /** Checks that it was built elsewhere. */
  async function elsewhere(building: BuildResult | Promise<BuildResult>): Promise<BuildResult> {
    assert.ok(building instanceof Promise);
    return await building;
  }

  function here(building: BuildResult | Promise<BuildResult>): BuildResult {
    assert.ok(!(building instanceof Promise));
    return building;
  }

  it("builds what is small at once", () => {
    const { routing, resourceCount } = here(fresh().build(small(), []));
    assert.deepEqual([...routing.clusters.keys()], ["outbound|80||web.default.svc.cluster.local"]);
    assert.equal(resourceCount, 4);
  });

  it("builds what is large in another process, with the same result", async () => {
    const expected = createBuilder(gatewayOptions).build(large(), []);
    const built = await elsewhere(fresh().build(large(), []));
    assert.deepEqual(built, { ...expected, resources: null, resourceCount: 4 });
  });

  it("gives resources to who wants them, the same objects while none changed", async () => {
    const expected = createBuilder(gatewayOptions).build(large(), []);
    builder = new ScalingBuilder(gatewayOptions, true);
    const first = here(builder.build(small(), []));
    assert.deepEqual(first.resources, expected.resources);
    const grown = await elsewhere(builder.build(large(), []));
    assert.equal(grown.resources, first.resources);
    const changed = await elsewhere(builder.build(large(application("web", "/other", "10.0.0.1")), []));
    assert.notDeepEqual(changed.resources, first.resources);
    assert.equal(changed.resources?.length, 4);
  });

  it("gives the same objects for what did not change", async () => {
    const first = await elsewhere(fresh().build(large(), []));
    const moved = await elsewhere(builder.build(large(application("web", "/app", "10.0.0.2")), []));
    assert.equal(moved.compiled, "endpoints");
    assert.equal(moved.routing, first.routing);
    assert.notEqual(moved.endpoints, first.endpoints);
    const rerouted = await elsewhere(builder.build(large(application("web", "/other", "10.0.0.2")), []));
    assert.equal(rerouted.compiled, "all");
    assert.notEqual(rerouted.routing, first.routing);
    assert.equal(rerouted.endpoints, moved.endpoints);
    const same = await elsewhere(builder.build(large(application("web", "/other", "10.0.0.2")), []));
    assert.equal(same.compiled, "nothing");
    assert.equal(same.routing, rerouted.routing);
  });

  it("keeps the last good version from process to process", async () => {
    const before = await elsewhere(fresh().build(large(), []));
    for (let round = 0; round < 2; round++) {
      const broken = await elsewhere(builder.build(large(application("web", "/app", "no address")), []));
      assert.equal(broken.endpoints, before.endpoints);
      const [problem] = broken.problems;
      assert.equal(problem?.position.file, "web.yaml");
      assert.match(problem.message, /until then the version of web\.yaml:\d+ stays in force/);
    }
  });

  it("keeps what it knows when the configuration grows, and goes on elsewhere when it shrinks", async () => {
    const before = here(fresh().build(small(), []));
    const grown = await elsewhere(builder.build([...small("broken: ["), padding], []));
    assert.equal(grown.routing, before.routing);
    const shrunk = await elsewhere(builder.build(small(), []));
    assert.deepEqual(shrunk.problems, []);
    assert.equal(shrunk.routing, before.routing);
  });

  it("says why a process failed, and goes on from what was built before", async () => {
    let isBroken = true;
    const failing: StartProcess = () =>
      spawn(process.execPath, ["-e", "console.error('out of luck'); process.exit(7)"]);
    const before = here(fresh(() => (isBroken ? failing() : startBuildProcess())).build(small(), []));
    await assert.rejects(elsewhere(builder.build(large(), [])), /ended with code 7: out of luck/);
    isBroken = false;
    assert.equal((await elsewhere(builder.build(large(), []))).routing, before.routing);
  });

  it("is not built by the files of another build, which say so", async () => {
    const child = startBuildProcess();
    const output = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    child.stdin.end(serialize({ buildId: "of-old", files: "something else" }));
    const [answer, complaint, [code]] = await output;
    assert.deepEqual([answer, code], ["", 1]);
    assert.match(
      complaint,
      /^naru's files on disk are of another build \(sources\) than .* \(of-old\): .*; restart it$/,
    );
  });

  it("says when there is no process to be had", async () => {
    fresh(() => spawn("/nonexistent/program"));
    await assert.rejects(elsewhere(builder.build(large(), [])), /ENOENT/);
  });

  it("says so when there are no file descriptors for its pipes, and goes on later", async () => {
    // With EMFILE `spawn` returns before it has made any.
    const pipeless = (() => spawn("/nonexistent/program", { stdio: "ignore" })) as unknown as StartProcess;
    let isBroken = true;
    fresh(() => (isBroken ? pipeless() : startBuildProcess()));
    await assert.rejects(elsewhere(builder.build(large(), [])), /ENOENT/);
    await builder.close();
    isBroken = false;
    assert.equal((await elsewhere(builder.build(large(), []))).resourceCount, 4);
  });

  it("ends a process that takes too long", async () => {
    fresh(() => startBuildProcess(1));
    await assert.rejects(elsewhere(builder.build(large(), [])), /ended with SIGKILL: .* more than five minutes/);
  });

  it("ends the process that is under way when it is closed", async () => {
    let ended = false;
    fresh(() => {
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
      child.on("exit", () => (ended = true));
      return child;
    });
    const rejected = assert.rejects(elsewhere(builder.build(large(), [])), /ended with SIGKILL: memory was short/);
    await builder.close();
    assert.ok(ended);
    await rejected;
  });
});
