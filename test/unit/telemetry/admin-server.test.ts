// SPDX-License-Identifier: Apache-2.0
// The admin, status and stats ports over real sockets: what each page says, what it refuses, what it leaves behind.

import assert from "node:assert/strict";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { text as readText } from "node:stream/consumers";
import { test, type TestContext } from "node:test";

import { systemClock } from "../../../src/core/index.ts";
import {
  unknownWorkload,
  type EndpointSnapshot,
  type Problem,
  type RoutingSnapshot,
} from "../../../src/model/index.ts";
import {
  createAdminServer,
  createLogger,
  createRequestMetrics,
  MetricsRegistry,
  processSamples,
  type GatewayDeps,
  type Readiness,
} from "../../../src/telemetry/index.ts";
import type { ClusterStatus, ListenerStatus } from "../../../src/telemetry/port.ts";
import { parseExposition } from "./exposition.ts";

const service = { host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" };

const clusters: readonly ClusterStatus[] = [
  {
    name: "outbound|9080|v1|reviews.default.svc.cluster.local",
    service,
    loadBalancer: "LEAST_REQUEST",
    connectionsActive: 2,
    requestsActive: 1,
    requestsPending: 0,
    endpoints: [
      {
        address: "10.0.0.7:9080",
        ready: true,
        weight: 1,
        workload: "reviews-v1",
        version: "v1",
        connectionsActive: 2,
        connectionsTotal: 5,
        connectionsFailed: 1,
        requestsActive: 1,
        requestsTotal: 40,
        requestsSucceeded: 37,
        requestsFailed: 2,
        requestsTimedOut: 1,
      },
      {
        address: "[fd00::1]:9080",
        ready: false,
        weight: 3,
        workload: "reviews-v1",
        version: "v1",
        connectionsActive: 0,
        connectionsTotal: 0,
        connectionsFailed: 0,
        requestsActive: 0,
        requestsTotal: 0,
        requestsSucceeded: 0,
        requestsFailed: 0,
        requestsTimedOut: 0,
      },
    ],
  },
];

const listeners: readonly ListenerStatus[] = [
  {
    name: "gateway_0.0.0.0_80",
    address: "0.0.0.0",
    port: 8080,
    configuredPort: 80,
    role: "gateway",
    connectionsActive: 4,
    error: null,
  },
  {
    name: "mesh",
    address: "127.0.0.1",
    port: 15001,
    configuredPort: 15001,
    role: "mesh",
    connectionsActive: 0,
    error: "another process listens there",
  },
];

const routing: RoutingSnapshot = {
  version: "r1",
  listeners: [{ name: "gateway_0.0.0.0_80", role: "gateway", bind: "", port: 80, tables: new Map([[80, "http.80"]]) }],
  routeTables: new Map([["http.80", { name: "http.80", hosts: [] }]]),
  clusters: new Map(),
};
const endpoints: EndpointSnapshot = {
  version: "e1",
  endpoints: new Map([["c", [{ address: "10.0.0.7", port: 9080, weight: 1, ready: true, workload: unknownWorkload }]]]),
};
const problem: Problem = {
  code: "REFERENCE",
  severity: "error",
  position: { file: "routes.yaml", line: 7, column: 3 },
  resource: { kind: "VirtualService", namespace: "default", name: "shop" },
  path: "spec.http[0]",
  message: "there is no such service",
};

async function setUp(t: TestContext, changes: Partial<GatewayDeps> = {}) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const logger = createLogger({ level: "info", format: "json", colour: false, write, clock: systemClock });
  const registry = new MetricsRegistry();
  registry.addSource(processSamples("1.2.3"));
  const calls: string[] = [];
  let readiness: Readiness = { state: "INITIALIZING", reason: "no configuration yet" };
  const server = createAdminServer(
    {
      clock: systemClock,
      logger,
      registry,
      version: "1.2.3",
      config: () => ({ routing, endpoints, problems: [problem], transport: { name: "node", reason: "asked for" } }),
      listeners: () => listeners,
      clusters: () => clusters,
      routes: { text: () => "HOST  ROUTE\n", data: () => ({ routes: new Map([["a", new Set([1])]]) }) },
      readiness: () => readiness,
      vips: null,
      concurrency: 1,
      refresh: null,
      quit: () => void calls.push("quit"),
      drainListeners: () => void calls.push("drain"),
      ...changes,
    },
    { admin: local, status: local, stats: local },
  );
  const ports = await server.listen();
  t.after(() => server.close());
  const setReadiness = (next: Readiness) => void (readiness = next);
  return { ports, logger, lines, calls, registry, server, setReadiness };
}

const local = { host: "127.0.0.1", port: 0 };

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own. */
async function ask(
  { port }: { readonly port: number },
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { method = "GET", headers = {}, body } = options;
  const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
    readText(response).then(
      (text) => resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      reject,
    );
  });
  request.on("error", reject);
  request.end(body);
  return promise;
}

const post = { method: "POST" };

test("every page of the index answers, and the index lists every page", async (t) => {
  const { ports, calls } = await setUp(t);
  const index = await ask(ports.admin, "/");
  assert.match(index.headers["content-type"]!, /^text\/html/);
  const links = [...index.body.matchAll(/<a href="([^"]+)">/g)].map(([, path]) => path!);
  const buttons = [...index.body.matchAll(/<form method="post" action="([^"]+)">/g)].map(([, path]) => path!);
  assert.deepEqual([...links, ...buttons].toSorted(), [
    "/clusters",
    "/config_dump",
    "/drain_listeners",
    "/listeners",
    "/logging",
    "/memory",
    "/problems",
    "/quitquitquit",
    "/ready",
    "/routes",
    "/server_info",
    "/stats/prometheus",
  ]);
  for (const path of links) {
    const { status, body, headers } = await ask(ports.admin, path);
    assert.equal(status, path === "/ready" ? 503 : 200, path);
    assert.ok(body.length > 0, path);
    assert.equal(headers["cache-control"], "no-store", path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    if (headers["content-type"] === "application/json") JSON.parse(body);
  }
  assert.deepEqual(calls, []);
});

test("an unknown path is 404 and says what there is", async (t) => {
  const { ports } = await setUp(t);
  const { status, body } = await ask(ports.admin, "/nothing<script>");
  assert.equal(status, 404);
  assert.match(body, /there is no page "\/nothing<script>"/);
  assert.match(body, /\/config_dump +Routing/);
  assert.equal((await ask(ports.status, "/config_dump")).status, 404);
  assert.equal((await ask(ports.stats, "/config_dump")).status, 404);
});

test("/clusters speaks Envoy's text and JSON", async (t) => {
  const { ports } = await setUp(t);
  const { body } = await ask(ports.admin, "/clusters");
  const name = "outbound|9080|v1|reviews.default.svc.cluster.local";
  for (const line of [
    `${name}::rq_active::1`,
    `${name}::10.0.0.7:9080::cx_active::2`,
    `${name}::10.0.0.7:9080::cx_connect_fail::1`,
    `${name}::10.0.0.7:9080::rq_success::37`,
    `${name}::10.0.0.7:9080::rq_error::2`,
    `${name}::10.0.0.7:9080::health_flags::healthy`,
    `${name}::[fd00::1]:9080::health_flags::/failed_eds_health`,
    `${name}::[fd00::1]:9080::weight::3`,
  ]) {
    assert.ok(body.split("\n").includes(line), line);
  }
  const json = await ask(ports.admin, "/clusters?format=json");
  const { cluster_statuses: statuses } = JSON.parse(json.body) as {
    cluster_statuses: {
      name: string;
      host_statuses: { address: unknown; stats: unknown[]; health_status: unknown }[];
    }[];
  };
  assert.equal(statuses[0]!.name, name);
  const [first, second] = statuses[0]!.host_statuses;
  assert.deepEqual(first!.address, { socket_address: { address: "10.0.0.7", port_value: 9080 } });
  assert.deepEqual(first!.stats[0], { type: "GAUGE", name: "cx_active", value: "2" });
  assert.deepEqual(first!.stats[1], { name: "cx_connect_fail", value: "1" });
  assert.deepEqual(first!.health_status, { eds_health_status: "HEALTHY" });
  assert.deepEqual(second!.address, { socket_address: { address: "fd00::1", port_value: 9080 } });
});

test("/listeners tells where each is bound, or why it is not", async (t) => {
  const { ports } = await setUp(t);
  assert.equal(
    (await ask(ports.admin, "/listeners")).body,
    "gateway_0.0.0.0_80::0.0.0.0:8080\nmesh::127.0.0.1:15001::error::another process listens there\n",
  );
  const { listener_statuses: statuses } = JSON.parse((await ask(ports.admin, "/listeners?format=json")).body) as {
    listener_statuses: { local_address: unknown }[];
  };
  assert.deepEqual(statuses[0]!.local_address, { socket_address: { address: "0.0.0.0", port_value: 8080 } });
});

test("/config_dump holds snapshots and problems, Maps included", async (t) => {
  const { ports } = await setUp(t);
  const dump = JSON.parse((await ask(ports.admin, "/config_dump")).body) as {
    routing: { version: string; listeners: { tables: unknown }[]; routeTables: Record<string, { name: string }> };
    endpoints: { endpoints: Record<string, { address: string }[]> };
    problems: Problem[];
  };
  assert.equal(dump.routing.version, "r1");
  assert.deepEqual(dump.routing.listeners[0]!.tables, { 80: "http.80" });
  assert.equal(dump.routing.routeTables["http.80"]!.name, "http.80");
  assert.equal(dump.endpoints.endpoints["c"]![0]!.address, "10.0.0.7");
  assert.deepEqual(dump.problems, [problem]);
});

test("/problems and /routes are text for people and JSON for programs", async (t) => {
  const { ports } = await setUp(t);
  assert.equal(
    (await ask(ports.admin, "/problems")).body,
    "error: routes.yaml:7:3 VirtualService/default/shop spec.http[0]: there is no such service [REFERENCE]\n",
  );
  assert.deepEqual(JSON.parse((await ask(ports.admin, "/problems?format=json")).body), { problems: [problem] });
  assert.equal((await ask(ports.admin, "/routes")).body, "HOST  ROUTE\n");
  assert.deepEqual(JSON.parse((await ask(ports.admin, "/routes?format=json")).body), { routes: { a: [1] } });
});

test("readiness follows the process through its life, on both ports", async (t) => {
  const { ports, setReadiness } = await setUp(t);
  const both = async () => {
    const [ready, healthz] = [await ask(ports.admin, "/ready"), await ask(ports.status, "/healthz/ready")];
    assert.deepEqual([ready.status, ready.body], [healthz.status, healthz.body]);
    return [ready.status, ready.body];
  };
  assert.deepEqual(await both(), [503, "INITIALIZING: no configuration yet\n"]);
  setReadiness({ state: "LIVE", reason: "" });
  assert.deepEqual(await both(), [200, "LIVE\n"]);
  const info = JSON.parse((await ask(ports.admin, "/server_info")).body) as Record<string, unknown>;
  assert.equal(info["state"], "LIVE");
  assert.equal(info["version"], "1.2.3");
  assert.match(String(info["uptime_current_epoch"]), /^\d+s$/);
  setReadiness({ state: "DRAINING", reason: "SIGTERM" });
  assert.deepEqual(await both(), [503, "DRAINING: SIGTERM\n"]);
});

test("both stats pages serve every metric, while requests are recorded", async (t) => {
  const { ports, registry } = await setUp(t);
  const requests = createRequestMetrics(registry, { maxSeries: 100 });
  const labels = {
    reporter: "source",
    source: unknownWorkload,
    destination: unknownWorkload,
    service,
    requestProtocol: "http",
    responseFlags: "-",
    connectionSecurityPolicy: "unknown",
  } as const;
  const series = Array.from({ length: 50 }, (_, responseCode) => requests.series({ ...labels, responseCode }));
  let recording = true;
  const record = () => {
    for (const number of series) requests.record(number, 3, 100, 1000);
    if (recording) setImmediate(record);
  };
  record();
  for (const port of [ports.admin, ports.stats]) {
    const { status, headers, body } = await ask(port, "/stats/prometheus");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    const families = parseExposition(body);
    assert.equal(families.get("istio_requests_total")!.samples.length, 50);
    assert.deepEqual(
      [...families.get("istio_build")!.samples[0]!.labels],
      [
        ["component", "proxy"],
        ["tag", "1.2.3"],
      ],
    );
    for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_heap_size_used_bytes"]) {
      assert.ok(families.get(name)!.samples[0]!.value > 0, name);
    }
  }
  recording = false;
});

test("/logging shows and changes levels while running; what it does not understand changes nothing", async (t) => {
  const { ports, logger } = await setUp(t);
  const proxy = logger.child("proxy");
  assert.equal(
    (await ask(ports.admin, "/logging")).body,
    "active loggers:\n  admin: info\n  naru: info\n  proxy: info\n",
  );
  assert.equal((await ask(ports.admin, "/logging?proxy=debug", post)).status, 200);
  assert.equal(proxy.enabled("debug"), true);
  assert.equal(logger.enabled("debug"), false);
  await ask(ports.admin, "/logging?level=error", post);
  assert.equal(proxy.enabled("warning"), false);
  await ask(ports.admin, "/logging?paths=proxy:trace,admin:info", post);
  assert.deepEqual(logger.levels(), { admin: "info", naru: "error", proxy: "trace" });

  for (const query of [
    "?proxy=loud",
    "?typo=debug",
    "?level=info&proxy=info",
    "?paths=proxy:info,typo:info",
    "?paths=proxy",
  ]) {
    const { status, body } = await ask(ports.admin, `/logging${query}`, post);
    assert.equal(status, 400, query);
    assert.match(body, /usage: POST/);
  }
  assert.equal((await ask(ports.admin, "/logging?level=info")).status, 405);
  assert.deepEqual(logger.levels(), { admin: "info", naru: "error", proxy: "trace" });
});

test("what changes something is POST only, and happens after the reply", async (t) => {
  const { ports, calls } = await setUp(t);
  for (const path of ["/quitquitquit", "/drain_listeners"]) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers } = await ask(ports.admin, path, { method });
      assert.equal(status, 405, `${method} ${path}`);
      assert.equal(headers.allow, "POST");
    }
  }
  assert.deepEqual(calls, []);
  assert.equal((await ask(ports.admin, "/drain_listeners", post)).body, "OK\n");
  assert.equal((await ask(ports.admin, "/quitquitquit", post)).body, "OK\n");
  assert.deepEqual(calls, ["drain", "quit"]);
  assert.equal((await ask(ports.admin, "/config_dump", { method: "PUT" })).headers.allow, "GET, HEAD");
});

test("HEAD has the head and no body, also where bodies are streamed", async (t) => {
  const { ports } = await setUp(t);
  for (const path of ["/clusters", "/stats/prometheus"]) {
    const { status, body } = await ask(ports.admin, path, { method: "HEAD" });
    assert.deepEqual([status, body], [200, ""], path);
  }
});

test("a name that somebody's DNS points here is refused; own names are not", async (t) => {
  const { ports, lines } = await setUp(t);
  const { port } = ports.admin;
  for (const host of [
    "evil.example",
    `evil.example:${port}`,
    "localhost.evil.example",
    "10.1.2.3",
    "127.0.0.1.evil.example",
  ]) {
    assert.equal((await ask(ports.admin, "/config_dump", { headers: { host } })).status, 403, host);
  }
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /config_dump HTTP/1.0\r\n\r\n");
  assert.match(await readText(socket), /^HTTP\/1\.1 403 /, "no Host at all");
  assert.ok(lines.some((line) => line.includes("admin request refused")));
  for (const host of ["localhost", `localhost:${port}`, "LOCALHOST:1", `127.0.0.1:${port}`, `[::1]:${port}`]) {
    assert.equal((await ask(ports.admin, "/config_dump", { headers: { host } })).status, 200, host);
  }
  // Probes and Prometheus come by pod address or service name.
  assert.equal((await ask(ports.stats, "/stats/prometheus", { headers: { host: "naru.mesh.svc" } })).status, 200);
});

test("a form on another site cannot end the process", async (t) => {
  const { ports, calls } = await setUp(t);
  const own = `127.0.0.1:${ports.admin.port}`;
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: `https://${own}` },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ]) {
    const { status } = await ask(ports.admin, "/quitquitquit", { ...post, headers });
    assert.equal(status, 403, JSON.stringify(headers));
  }
  assert.deepEqual(calls, []);
  const headers = { origin: `http://${own}`, "sec-fetch-site": "same-origin" };
  assert.equal((await ask(ports.admin, "/quitquitquit", { ...post, headers })).status, 200);
  assert.deepEqual(calls, ["quit"]);
});

test("bodies and heads are bounded", async (t) => {
  const { ports, calls } = await setUp(t);
  const big = await ask(ports.admin, "/quitquitquit", {
    ...post,
    headers: { "content-length": "5000" },
    body: "x".repeat(5000),
  });
  assert.equal(big.status, 413);
  assert.equal(big.headers.connection, "close");
  const chunked = await ask(ports.admin, "/quitquitquit", {
    ...post,
    headers: { "transfer-encoding": "chunked" },
    body: "x",
  });
  assert.equal(chunked.status, 413);
  assert.deepEqual(calls, []);
  assert.equal((await ask(ports.admin, "/clusters", { headers: { "x-big": "x".repeat(10_000) } })).status, 431);
  assert.equal(
    (await ask(ports.admin, "/logging?level=info", { ...post, headers: { "content-length": "1" }, body: "x" })).status,
    200,
  );
});

test("a page that fails is a 500 without details for the client, and the log has them", async (t) => {
  const { ports, lines } = await setUp(t, {
    config: () => {
      throw new Error("secret detail");
    },
  });
  const { status, body } = await ask(ports.admin, "/config_dump");
  assert.equal(status, 500);
  assert.doesNotMatch(body, /secret/);
  assert.ok(lines.some((line) => line.includes("secret detail")));
  assert.equal((await ask(ports.admin, "/clusters")).status, 200);
});

test("metrics that fail half-way break the connection instead of looking complete", async (t) => {
  const { ports, lines, registry } = await setUp(t);
  registry.addFamily({
    name: "broken",
    help: "Broken.",
    type: "gauge",
    blocks: () => {
      throw new Error("source is gone");
    },
  });
  await assert.rejects(ask(ports.stats, "/stats/prometheus"));
  assert.ok(lines.some((line) => line.includes("source is gone")));
});

test("the index escapes what it shows", async (t) => {
  const { ports } = await setUp(t, { version: '<img src=x onerror="1">' });
  const { body, headers } = await ask(ports.admin, "/");
  assert.doesNotMatch(body, /<img/);
  assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
});

for (const [name, flag] of [
  ["admin", "--admin-port"],
  ["status", "--status-port"],
  ["stats", "--stats-port"],
] as const) {
  test(`a taken ${name} port is an error that names ${flag}, and leaves nothing open`, async (t) => {
    const { ports } = await setUp(t);
    const { deps, options } = clashing(name, ports[name].port);
    await assert.rejects(createAdminServer(deps, options).listen(), (error: Error) => {
      assert.match(
        error.message,
        new RegExp(`127\\.0\\.0\\.1:${ports[name].port} .*another process listens there.*${flag}`),
      );
      return true;
    });
    assert.equal((await ask(ports[name], "/nothing")).status, 404, "the other process is undisturbed");
  });
}

function clashing(name: "admin" | "status" | "stats", port: number) {
  const logger = createLogger({ level: "off", format: "json", colour: false, write: assert.fail, clock: systemClock });
  const deps: GatewayDeps = {
    clock: systemClock,
    logger,
    registry: new MetricsRegistry(),
    version: "1",
    config: () => ({
      routing: null,
      endpoints: null,
      problems: [],
      transport: { name: "node", reason: "asked for" },
    }),
    listeners: () => [],
    clusters: () => [],
    routes: { text: () => "", data: () => [] },
    readiness: () => ({ state: "LIVE", reason: "" }),
    vips: null,
    concurrency: 1,
    refresh: null,
    quit: () => {},
    drainListeners: () => {},
  };
  return { deps, options: { admin: local, status: local, stats: local, [name]: { host: "127.0.0.1", port } } };
}

test("close frees the ports, idle keep-alive connections included", async (t) => {
  const { ports, server } = await setUp(t);
  const socket = connect(ports.admin.port, "127.0.0.1");
  socket.write("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await Promise.all([server.close(), closed]);
  for (const port of Object.values(ports)) await assert.rejects(ask(port, "/ready"), { code: "ECONNREFUSED" });
});
