// SPDX-License-Identifier: Apache-2.0
// `naru gateway` with a collector of traces, as real processes: what reaches the upstream, what reaches the collector, and
// what happens when that cannot be reached.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { suite, test } from "node:test";

import { startCollector, type Collector } from "../support/otlp-collector.ts";
import { portsOf, startNaru, type RunningNaru } from "./support/run-naru.ts";
import { gatewayYaml, openWorkspace, readText, startOrigin } from "./support/workspace.ts";

const anyPorts = ["--listen", "80=127.0.0.1:0", "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
const ports = [...anyPorts, "--drain-delay-seconds", "0"];
const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";

interface Setup extends AsyncDisposable {
  readonly naru: RunningNaru;
  readonly collector: Collector;
  /** Headers of each request as the upstream saw them. */
  readonly seen: readonly IncomingHttpHeaders[];
  send(headers?: Readonly<Record<string, string>>, path?: string): Promise<number>;
  metric(name: string, labels?: string): Promise<number>;
}

async function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Setup> {
  await using parts = new AsyncDisposableStack();
  const seen: IncomingHttpHeaders[] = [];
  const origin = parts.use(
    await startOrigin((message, response) => {
      seen.push(message.headers);
      response.statusCode = message.url === "/shop/broken" ? 503 : 200;
      response.end("hello");
    }),
  );
  const collector = parts.use(await startCollector());
  const workspace = parts.use(await openWorkspace());
  await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
  const filled = args.map((arg) => arg.replace("COLLECTOR", collector.url));
  const filledEnv = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value.replace("COLLECTOR", collector.url)]),
  );
  const naru = parts.use(
    startNaru(["gateway", workspace.folder, ...ports, ...filled], { OTEL_BSP_SCHEDULE_DELAY: "100", ...filledEnv }),
  );
  const { gateway: port, admin } = await portsOf(naru);
  const owned = parts.move();
  return {
    naru,
    collector,
    seen,
    async send(headers = {}, path = "/shop/cart?a=b") {
      const all = { host: "shop.example", "user-agent": "tester", ...headers };
      const outgoing = request({ host: "127.0.0.1", port, path, headers: all, agent: false }).end();
      const [message] = (await once(outgoing, "response")) as [IncomingMessage];
      await readText(message);
      return message.statusCode ?? 0;
    },
    async metric(name, labels = "") {
      const text = await (await fetch(`http://127.0.0.1:${admin}/stats/prometheus`)).text();
      const line = text.split("\n").find((each) => each.startsWith(`${name}${labels} `));
      assert.ok(line, `no metric ${name}${labels}`);
      return Number(line.slice(name.length + labels.length + 1));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function outgoingContext(headers: IncomingHttpHeaders | undefined) {
  const [version, trace, span, flags] = String(headers?.["traceparent"]).split("-");
  assert.equal(version, "00");
  return { trace, span, flags };
}

suite("tracing", { concurrency: 2 }, () => {
  test("a gateway makes a span of the exchange and one of the call below it, as Istio's does", async () => {
    const args = ["--concurrency", "1", "--otlp-endpoint", "COLLECTOR", "--trace-sampling", "0"];
    await using setup = await start(args);
    const traceparent = `00-${traceId}-${parentId}-01`;
    assert.equal(await setup.send({ traceparent, tracestate: "a=1,b=2" }), 200);
    const spans = await setup.collector.waitForSpans(2);
    const server = spans.find(({ kind }) => kind === "server")!;
    const client = spans.find(({ kind }) => kind === "client")!;
    const sent = outgoingContext(setup.seen[0]);
    assert.deepEqual(sent, { trace: traceId, span: client.spanId, flags: "01" });
    assert.equal(setup.seen[0]?.["tracestate"], "a=1,b=2");
    assert.deepEqual([server.traceId, client.traceId], [traceId, traceId]);
    assert.deepEqual([server.parentSpanId, client.parentSpanId], [parentId, server.spanId]);
    assert.equal(server.name, "origin.example:80/shop*");
    assert.equal(client.name, server.name);
    assert.ok(server.endNs >= server.startNs && server.endNs - server.startNs < 10_000_000_000n);
    assert.ok(Math.abs(Number(server.startNs / 1_000_000n) - Date.now()) < 60_000);
    assert.equal(server.resource["service.name"], "istio-ingressgateway.default");
    assert.equal(server.scope, "naru");
    const requestId = String(setup.seen[0]?.["x-request-id"]);
    assert.equal(requestId[14], "9");
    assert.deepEqual(server.attributes, {
      component: "proxy",
      "http.method": "GET",
      "http.url": "http://shop.example/shop/cart?a=b",
      "http.protocol": "HTTP/1.1",
      "http.status_code": "200",
      response_flags: "-",
      request_size: "0",
      response_size: "5",
      user_agent: "tester",
      "guid:x-request-id": requestId,
      "peer.address": "127.0.0.1",
      downstream_cluster: "-",
      upstream_cluster: "outbound|80||origin.example",
      "upstream_cluster.name": "outbound|80||origin.example",
      "istio.canonical_service": "istio-ingressgateway",
      "istio.canonical_revision": "latest",
      "istio.namespace": "default",
      "istio.cluster_id": "Kubernetes",
      "istio.mesh_id": "cluster.local",
    });
    assert.match(client.attributes["upstream_address"] ?? "", /^127\.0\.0\.1:\d+$/);
    assert.equal(server.failed || client.failed, false);
  });

  test("5xx is an error; what no upstream was asked for has no call", async () => {
    const args = ["--concurrency", "1", "--otlp-endpoint", "COLLECTOR", "--trace-sampling", "100"];
    await using setup = await start(args);
    assert.equal(await setup.send({}, "/shop/broken"), 503);
    assert.equal(await setup.send({}, "/nowhere"), 404);
    const spans = await setup.collector.waitForSpans(3);
    const [server, client, nowhere] = spans;
    assert.ok(server?.failed && client?.failed);
    assert.equal(server.attributes["error"], "true");
    assert.deepEqual(
      [nowhere?.kind, nowhere?.name, nowhere?.attributes["response_flags"], nowhere?.failed],
      ["server", "egress", "NR", false],
    );
    assert.equal(server.parentSpanId, "", "a trace that begins here has no parent");
    assert.notEqual(server.traceId, nowhere?.traceId);
  });

  for (const threads of ["1", "2"]) {
    test(`${threads} threads: rates of 0 and 100, and the caller's decision before both`, async () => {
      const common = ["--concurrency", threads, "--otlp-endpoint", "COLLECTOR"];
      await using all = await start([...common, "--trace-sampling", "100"]);
      for (let sent = 0; sent < 20; sent++) await all.send();
      await all.send({ traceparent: `00-${traceId}-${parentId}-00` });
      const spans = await all.collector.waitForSpans(40);
      const sampled = new Set(spans.map((span) => span.traceId));
      assert.equal(sampled.size, 20);
      for (const headers of all.seen.slice(0, 20)) {
        const { trace, span, flags } = outgoingContext(headers);
        assert.equal(flags, "01");
        const call = spans.find(({ spanId }) => spanId === span);
        assert.equal(call?.traceId, trace);
      }
      const unsampled = outgoingContext(all.seen[20]);
      assert.deepEqual([unsampled.trace, unsampled.flags], [traceId, "00"]);
      assert.notEqual(unsampled.span, parentId);

      // Workers send the next batch once the last one was taken.
      for (let sent = 0; sent < 20; sent++) await all.send();
      await all.collector.waitForSpans(80);

      await using none = await start([...common, "--trace-sampling", "0"]);
      for (let sent = 0; sent < 20; sent++) await none.send();
      await none.send({ b3: `${traceId}-${parentId}-1` });
      assert.equal(outgoingContext(none.seen[0]).flags, "00");
      assert.equal(String(none.seen[0]?.["x-request-id"])[14], "4");
      await none.collector.waitForSpans(2);
      assert.deepEqual(new Set(none.collector.spans().map((span) => span.traceId)), new Set([traceId]));
      assert.equal(await none.metric("naru_spans_total"), 2);
    });

    test(`${threads} threads: SIGTERM sends what waits`, async () => {
      const args = ["--concurrency", threads, "--otlp-endpoint", "COLLECTOR", "--trace-sampling", "100"];
      await using setup = await start(args);
      for (let sent = 0; sent < 5; sent++) await setup.send();
      setup.naru.process.kill("SIGTERM");
      assert.equal((await setup.naru.ended).code, 0);
      assert.equal(setup.collector.spans().length, 10);
    });
  }

  test("a collector that fails costs spans and nothing else, is said once, and is used again", async () => {
    const args = ["--concurrency", "1", "--otlp-endpoint", "COLLECTOR", "--trace-sampling", "100"];
    await using setup = await start(args);
    setup.collector.statusCode = 400;
    assert.equal(await setup.send(), 200);
    await setup.naru.waitFor(
      "stderr",
      /spans cannot be exported +collector=http:\/\/127\.0\.0\.1:\d+\/v1\/traces error=/,
    );
    assert.equal(await setup.send(), 200);
    while ((await setup.metric("naru_span_export_failures_total")) < 2) await setup.send();
    const dropped = await setup.metric("naru_spans_dropped_total", '{reason="export"}');
    assert.ok(dropped >= 4, `${dropped} dropped`);
    setup.collector.statusCode = 200;
    assert.equal(await setup.send(), 200);
    await setup.naru.waitFor("stderr", /spans are exported again/);
    assert.equal([...setup.naru.stderr().matchAll(/spans cannot be exported/g)].length, 1);
  });

  test("with nobody at the collector's address, requests are served and the process ends in time", async () => {
    const gone = await startCollector();
    await gone[Symbol.asyncDispose]();
    const env = { OTEL_EXPORTER_OTLP_TIMEOUT: "300" };
    await using setup = await start(
      ["--otlp-endpoint", gone.url, "--trace-sampling", "100", "--concurrency", "2"],
      env,
    );
    for (let sent = 0; sent < 5; sent++) assert.equal(await setup.send(), 200);
    await setup.naru.waitFor("stderr", /spans cannot be exported .*ECONNREFUSED/);
    setup.naru.process.kill("SIGTERM");
    assert.equal((await setup.naru.ended).code, 0);
  });

  test("the environment turns it on; the option goes before it, OTEL_SERVICE_NAME before our name", async () => {
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "COLLECTOR/v1/traces", OTEL_SERVICE_NAME: "edge" };
    await using setup = await start(["--concurrency", "1", "--trace-sampling", "100"], env);
    await setup.send();
    assert.equal((await setup.collector.waitForSpans(2))[0]?.resource["service.name"], "edge");
  });

  test("off: trace headers pass through untouched", async () => {
    await using setup = await start(["--concurrency", "1"]);
    const headers = {
      traceparent: "not a traceparent",
      tracestate: "x=y",
      b3: "1",
      "x-b3-traceid": "ABC",
      "x-b3-sampled": "maybe",
    };
    await setup.send(headers);
    assert.deepEqual({ ...setup.seen[0], ...headers }, setup.seen[0]);
    assert.equal(String(setup.seen[0]?.["x-request-id"])[14], "4");
    assert.equal(setup.collector.requests, 0);
  });
});
