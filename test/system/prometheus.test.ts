// SPDX-License-Identifier: Apache-2.0
// A real Prometheus scrapes a real naru, and answers the questions that Kiali and dashboards ask.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { test } from "node:test";

import { startNaru, type RunningNaru } from "../cli/support/run-naru.ts";
import { openWorkspace, readText } from "../cli/support/workspace.ts";
import { HttpOrigin } from "../support/http-origin.ts";
import { requireTool } from "../support/requires.ts";
import { pipeThrough, PrometheusServer, type Series } from "./support/prometheus-server.ts";

/** What Kiali groups its graph by. It skips a series that misses any of these. */
const graphLabels = [
  "source_cluster",
  "source_workload_namespace",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "destination_cluster",
  "destination_service_namespace",
  "destination_service",
  "destination_service_name",
  "destination_workload_namespace",
  "destination_workload",
  "destination_canonical_service",
  "destination_canonical_revision",
  "request_protocol",
  "response_code",
  "response_flags",
] as const;

/** Also grouped by, and empty for all but gRPC: the only one that may be missing. */
const groupBy = [...graphLabels, "grpc_response_status"].join(",");

const reviews = "reviews.shop.svc.cluster.local";
const ratings = "ratings.shop.svc.cluster.local";

/** One round of requests as Prometheus must count it: service, revision, code and flags → requests. */
const oneRound: Readonly<Record<string, number>> = {
  [`${reviews} v1 200 -`]: 4,
  [`${reviews} v2 200 -`]: 2,
  [`${reviews} v1 0 DC`]: 1,
  [`${reviews} v2 503 -`]: 1,
  [`${ratings} latest 503 UH`]: 1,
  "unknown latest 404 NR": 1,
};
const requestsPerRound = 10;

test("Prometheus counts what was sent, and Kiali's queries find every label", async (t) => {
  const program = requireTool(t, "prometheus");
  const promtool = requireTool(t, "promtool");
  if (program === null || promtool === null) return;
  const origin = createOrigin();
  await using v1 = await HttpOrigin.start(origin.listener);
  await using v2 = await HttpOrigin.start(origin.listener);
  await using workspace = await openWorkspace();
  await workspace.write("shop.yaml", shopYaml(v1.port, v2.port));
  await using naru = startNaru(["up", workspace.folder, ...options]);
  const ports = await portsOf(naru);
  await using prometheus = await PrometheusServer.start(program, ports.stats, "/stats/prometheus");

  await prometheus.until("a scrape", async () => (await prometheus.query("up")).length > 0);
  const targets = await prometheus.targets();
  assert.deepEqual(
    targets.map(({ health, lastError }) => ({ health, lastError })),
    [{ health: "up", lastError: "" }],
  );
  const up = await prometheus.query("up");
  assert.deepEqual(
    up.map(({ value }) => value),
    [1],
  );

  // rate() sees growth only: the first round brings the series into being, the second lets them grow.
  for (const round of [1, 2]) {
    await sendRound(ports, origin);
    await prometheus.until(`the requests of round ${round}`, async () => {
      const [total] = await prometheus.query("sum(istio_requests_total)");
      return (total?.value ?? 0) >= round * requestsPerRound;
    });
  }

  await t.test("requests by service, code and flags", async () => {
    const by = ["destination_service", "destination_canonical_revision", "response_code", "response_flags"];
    const series = await prometheus.query(`sum(istio_requests_total) by (${by.join(",")})`);
    const counted = series.map(({ metric, value }) => [by.map((name) => metric[name]).join(" "), value] as const);
    const sent = Object.entries(oneRound).map(([name, count]) => [name, 2 * count] as const);
    assert.deepEqual(Object.fromEntries(counted), Object.fromEntries(sent));
  });

  await t.test("a quantile of the duration", async () => {
    const buckets = "sum(rate(istio_request_duration_milliseconds_bucket[1m])) by (destination_service, le)";
    const quantiles = await prometheus.query(`histogram_quantile(0.99, ${buckets})`);
    const services = new Set(quantiles.map(({ metric }) => metric["destination_service"]));
    assert.deepEqual(services, new Set([ratings, reviews, "unknown"]));
    for (const { value } of quantiles) assert.ok(value > 0 && value < 3_600_000, `${value}`);
    const histogram = "istio_request_duration_milliseconds";
    const [missing] = await prometheus.query(`sum(${histogram}_count) - sum(${histogram}_bucket{le="+Inf"})`);
    assert.equal(missing?.value, 0);
  });

  await t.test("Kiali: all that leaves the gateway's namespace", async () => {
    const series = await prometheus.query(graphQuery('source_workload_namespace="default"'));
    assertComplete(series);
    assert.deepEqual(series.map(edgeOf).sort(), [
      `istio-ingressgateway → ${ratings} → unknown: 503 UH`,
      `istio-ingressgateway → ${reviews} → shop/reviews-v1: 0 DC`,
      `istio-ingressgateway → ${reviews} → shop/reviews-v1: 200 -`,
      "istio-ingressgateway → unknown → unknown: 404 NR",
    ]);
  });

  // Who calls the mesh listener of one machine is not known.
  await t.test("Kiali: all that leaves callers without a namespace", async () => {
    const series = await prometheus.query(graphQuery('source_workload_namespace="unknown"'));
    assertComplete(series);
    assert.deepEqual(series.map(edgeOf).sort(), [
      `unknown → ${reviews} → shop/reviews-v1: 200 -`,
      `unknown → ${reviews} → shop/reviews-v2: 200 -`,
      `unknown → ${reviews} → shop/reviews-v2: 503 -`,
    ]);
  });

  await t.test("Kiali: what reached no workload of the destination's namespace", async () => {
    const unreached =
      'source_workload_namespace!="shop",destination_workload_namespace="unknown",' +
      String.raw`destination_workload="unknown",destination_service=~"^.+\\.shop\\..+$"`;
    const series = await prometheus.query(graphQuery(unreached));
    assertComplete(series);
    assert.deepEqual(series.map(edgeOf), [`istio-ingressgateway → ${ratings} → unknown: 503 UH`]);
  });

  await t.test("promtool finds nothing but the units of Istio's own names", async () => {
    const message = await ask(ports.stats, "localhost", "/stats/prometheus");
    const { code, output } = await pipeThrough(promtool, ["check", "metrics"], await readText(message));
    assert.deepEqual(output.trimEnd().split("\n"), [
      'istio_request_duration_milliseconds use base unit "seconds" instead of "milliseconds"',
    ]);
    // 3 = advice; 1 would be an exposition that cannot be parsed.
    assert.equal(code, 3);
  });
});

/** Kiali's request for one kind of edge; `> 0` drops what did not grow. */
function graphQuery(selector: string): string {
  return `sum(rate(istio_requests_total{reporter="source",${selector}}[60s])) by (${groupBy}) > 0`;
}

function assertComplete(series: readonly Series[]): void {
  for (const { metric } of series) {
    const missing = graphLabels.filter((name) => (metric[name] ?? "") === "");
    assert.deepEqual(missing, [], JSON.stringify(metric));
  }
}

function edgeOf({ metric }: Series): string {
  // Kiali skips ends whose namespace is known and whose workload is not.
  const { destination_workload_namespace: namespace, destination_workload: workload } = metric;
  const end = namespace === "unknown" && workload === "unknown" ? "unknown" : `${namespace}/${workload}`;
  const outcome = `${metric["response_code"]} ${metric["response_flags"]}`;
  return `${metric["source_workload"]} → ${metric["destination_service"]} → ${end}: ${outcome}`;
}

const options = [
  ...["--listen", "80=127.0.0.1:0", "--mesh-port", "0"],
  ...["--admin-port", "0", "--status-port", "0", "--stats-port", "0"],
];

interface Ports {
  readonly gateway: number;
  readonly mesh: number;
  readonly stats: number;
}

async function portsOf(naru: RunningNaru): Promise<Ports> {
  const portOf = async (pattern: RegExp) => Number((await naru.waitFor("stdout", pattern))[1]);
  return {
    gateway: await portOf(/:(\d+)\/ +gateway port 80: /),
    mesh: await portOf(/:(\d+)\/ +mesh: /),
    stats: await portOf(/:(\d+)\/stats\/prometheus +metrics$/m),
  };
}

interface Origin {
  readonly listener: RequestListener;
  /** Resolves when the next request for /held has arrived, which is never answered. */
  nextHeld(): Promise<void>;
}

function createOrigin(): Origin {
  let arrived = Promise.withResolvers<void>();
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "/held": () => arrived.resolve(),
    "/failing": (response) => void response.writeHead(503).end("closed"),
  };
  return {
    listener: (incoming, response) => {
      const answer = answers[incoming.url ?? ""];
      if (answer === undefined) response.end("hello");
      else answer(response);
    },
    async nextHeld() {
      await arrived.promise;
      arrived = Promise.withResolvers<void>();
    },
  };
}

async function sendRound({ gateway, mesh }: Ports, origin: Origin): Promise<void> {
  const expect = async (status: number, ...question: Parameters<typeof ask>) => {
    const message = await ask(...question);
    assert.equal(message.statusCode, status);
    await readText(message);
  };
  for (let count = 0; count < 3; count++) await expect(200, gateway, "shop.example", "/reviews");
  await expect(200, mesh, "reviews.shop", "/");
  await expect(200, mesh, "reviews.shop", "/new");
  await expect(200, mesh, "reviews.shop", "/new");
  await expect(503, mesh, "reviews.shop", "/failing");
  await expect(503, gateway, "shop.example", "/ratings");
  await expect(404, gateway, "shop.example", "/nowhere");
  const given = request({ host: "127.0.0.1", port: gateway, path: "/held", headers: { host: "shop.example" } }).end();
  await origin.nextHeld();
  given.destroy();
  await assert.rejects(once(given, "close"), { code: "ECONNRESET" });
}

async function ask(port: number, host: string, path: string): Promise<IncomingMessage> {
  const outgoing = request({ host: "127.0.0.1", port, path, headers: { host }, agent: false }).end();
  const [message] = (await once(outgoing, "response")) as [IncomingMessage];
  return message;
}

/** A gateway, a service in two versions and one without endpoints, in the form Kubernetes keeps them. */
function shopYaml(v1Port: number, v2Port: number): string {
  const slice = (version: string, port: number, pod: string) => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: reviews-${version}
  namespace: shop
  labels: { kubernetes.io/service-name: reviews, app: reviews, version: ${version} }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1], targetRef: { kind: Pod, name: ${pod} } }]
---`;
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["shop.example"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: front, namespace: shop }
spec:
  hosts: ["shop.example"]
  gateways: [edge]
  http:
  - match: [{ uri: { exact: /ratings } }]
    route: [{ destination: { host: ratings } }]
  - match: [{ uri: { exact: /reviews } }, { uri: { exact: /held } }]
    route: [{ destination: { host: reviews, subset: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: shop }
spec:
  hosts: [reviews]
  http:
  - match: [{ uri: { exact: /new } }, { uri: { exact: /failing } }]
    retries: { attempts: 0 }
    route: [{ destination: { host: reviews, subset: v2 } }]
  - route: [{ destination: { host: reviews, subset: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: shop }
spec:
  host: reviews
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop }
spec: { ports: [{ port: 80, name: http }] }
---
apiVersion: v1
kind: Service
metadata: { name: ratings, namespace: shop }
spec: { ports: [{ port: 80, name: http }] }
---${slice("v1", v1Port, "reviews-v1-545db77b95-x2x4k")}${slice("v2", v2Port, "reviews-v2-7bf98bd8c6-q9mzt")}
`;
}
