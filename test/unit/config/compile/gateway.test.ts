// SPDX-License-Identifier: Apache-2.0
// Gateways and their VirtualServices: binding, merging, order, and what is reported.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import type { Problem, Resource, RoutingSnapshot } from "../../../../src/model/index.ts";
import {
  at,
  exact,
  fqdn,
  gateway,
  gatewayOptions,
  match,
  prefix,
  rule,
  server,
  service,
  servicePort,
  to,
  virtualService,
} from "./builders.ts";

const web = service("web");

function compile(...resources: readonly Resource[]): { routing: RoutingSnapshot; problems: readonly Problem[] } {
  return compileRouting(resources, gatewayOptions);
}

/** Virtual hosts of a table as `name: route names`. */
function outline(routing: RoutingSnapshot, table = "http.80"): string[] {
  const hosts = routing.routeTables.get(table)?.hosts ?? [];
  return hosts.map((host) => `${host.name}: ${host.routes.map((route) => route.name).join(" ")}`);
}

function summary(problems: readonly Problem[]): string[] {
  return problems.map(({ code, severity, resource, path }) => `${severity} ${code} ${resource?.name} ${path}`);
}

describe("gateway listeners", () => {
  it("merges servers of several Gateways on one port into one listener and table", () => {
    const { routing, problems } = compile(
      gateway({ name: "a", servers: [server(["a.com"])] }),
      gateway({ name: "b", servers: [server(["b.com"]), server(["b.com"], 8080)] }),
      virtualService({ hosts: ["a.com", "b.com"], gateways: ["default/a", "default/b"], http: [rule({ name: "r" })] }),
      web,
    );
    assert.deepEqual(
      routing.listeners.map(({ name, role, port, tables }) => ({ name, role, port, tables: [...tables] })),
      [
        { name: "gateway_0.0.0.0_80", role: "gateway", port: 80, tables: [[80, "http.80"]] },
        { name: "gateway_0.0.0.0_8080", role: "gateway", port: 8080, tables: [[8080, "http.8080"]] },
      ],
    );
    assert.deepEqual(outline(routing), ["a.com:80: r", "b.com:80: r"]);
    assert.deepEqual(outline(routing, "http.8080"), ["b.com:8080: r"]);
    assert.deepEqual(problems, []);
  });

  it("keeps addresses apart", () => {
    const { routing } = compile(
      gateway({ servers: [server(["*"], 80, "127.0.0.1"), server(["*"], 80)] }),
      virtualService({ http: [rule({ name: "r" })] }),
      web,
    );
    assert.deepEqual(
      routing.listeners.map(({ name, bind }) => [name, bind]),
      [
        ["gateway_127.0.0.1_80", "127.0.0.1"],
        ["gateway_0.0.0.0_80", ""],
      ],
    );
    assert.deepEqual([...routing.routeTables.keys()], ["http.80.127.0.0.1", "http.80"]);
  });

  it("has an empty table for a Gateway without VirtualServices", () => {
    const { routing, problems } = compile(gateway());
    assert.deepEqual(routing.routeTables.get("http.80"), { name: "http.80", hosts: [] });
    assert.deepEqual(problems, []);
  });

  it("leaves out Gateways whose selector wants a label this proxy does not have", () => {
    const { routing, problems } = compile(gateway({ selector: { istio: "ingressgateway", tier: "edge" } }));
    assert.deepEqual(routing.listeners, []);
    assert.deepEqual(summary(problems), ["info UNATTACHED gw spec.selector"]);
  });

  it("takes a Gateway without selector", () => {
    assert.equal(compile(gateway({ selector: {} })).routing.listeners.length, 1);
  });

  it("serves no Gateway when this process is none", () => {
    const { routing, problems } = compileRouting([gateway()], { ...gatewayOptions, gateway: false });
    assert.deepEqual(routing.listeners, []);
    assert.deepEqual(problems, []);
  });
});

describe("binding of VirtualServices to Gateways", () => {
  const cases = [
    { serverHosts: ["*"], hosts: ["a.com"], domains: ["a.com"] },
    { serverHosts: ["a.com"], hosts: ["*"], domains: ["a.com"] },
    { serverHosts: ["*.a.com"], hosts: ["x.a.com", "a.com", "b.com"], domains: ["x.a.com"] },
    { serverHosts: ["x.a.com", "y.a.com", "z.com"], hosts: ["*.a.com"], domains: ["x.a.com", "y.a.com"] },
    { serverHosts: ["*.a.com"], hosts: ["*.b.a.com"], domains: ["*.b.a.com"] },
    { serverHosts: ["*.b.a.com"], hosts: ["*.a.com"], domains: ["*.b.a.com"] },
    { serverHosts: ["*", "a.com"], hosts: ["*"], domains: ["a.com", "*"] },
    { serverHosts: ["*.com", "*"], hosts: ["*.com"], domains: ["*.com"] },
    { serverHosts: ["default/a.com"], hosts: ["a.com"], domains: ["a.com"] },
    { serverHosts: ["other/a.com", "*/b.com"], hosts: ["a.com", "b.com"], domains: ["b.com"] },
    { serverHosts: ["other/a.com", "default/*"], hosts: ["a.com"], domains: ["a.com"] },
    { serverHosts: ["other/*"], hosts: ["*"], domains: [] },
    { serverHosts: ["xa.com"], hosts: ["*.a.com"], domains: [] },
  ];
  for (const { serverHosts, hosts, domains } of cases) {
    it(`server ${serverHosts.join(", ")} and VirtualService ${hosts.join(", ")} give ${domains.join(", ") || "nothing"}`, () => {
      const { routing, problems } = compile(
        gateway({ servers: [server(serverHosts)] }),
        virtualService({ hosts, http: [rule()] }),
        web,
      );
      const table = routing.routeTables.get("http.80");
      assert.deepEqual(
        table?.hosts.flatMap((host) => host.domains),
        domains,
      );
      assert.deepEqual(summary(problems), domains.length > 0 ? [] : ["warning UNATTACHED vs spec.hosts"]);
    });
  }

  it("reports a Gateway that does not exist, and serves the others", () => {
    const { routing, problems } = compile(
      gateway(),
      virtualService({ gateways: ["default/gone", "default/gw"], http: [rule({ name: "r" })] }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: r"]);
    assert.deepEqual(summary(problems), ["warning REFERENCE vs spec.gateways[0]"]);
  });

  it("only informs about VirtualServices of the mesh or of other proxies' Gateways", () => {
    const { problems } = compile(
      gateway({ name: "other", selector: { istio: "egressgateway" } }),
      virtualService({ name: "mesh-only", gateways: ["mesh"], http: [rule()] }),
      virtualService({ name: "elsewhere", gateways: ["default/other"], http: [rule()] }),
      web,
    );
    assert.deepEqual(summary(problems), [
      "info UNATTACHED other spec.selector",
      "info UNATTACHED elsewhere spec.gateways",
      "info UNATTACHED mesh-only spec.gateways",
    ]);
  });

  it("does not see VirtualServices that are not exported to its namespace", () => {
    const { routing } = compile(
      gateway(),
      virtualService({ name: "a", namespace: "x", exportTo: ["x"], http: [rule({ name: "a" })] }),
      virtualService({ name: "b", namespace: "x", exportTo: ["default"], http: [rule({ name: "b" })] }),
      virtualService({ name: "c", namespace: "x", exportTo: ["~"], http: [rule({ name: "c" })] }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: b"]);
  });
});

describe("routes of VirtualServices", () => {
  it("makes one route per match block, which share their action", () => {
    const { routing } = compile(
      gateway(),
      virtualService({
        http: [
          rule({ name: "named", match: [exact("/a", { name: "first" }), prefix("/b", { position: at(99) })] }),
          rule({ match: [exact("/c", { name: "m" })] }),
          rule({ position: at(77) }),
        ],
      }),
      web,
    );
    const routes = routing.routeTables.get("http.80")!.hosts[0]!.routes;
    assert.deepEqual(
      routes.map(({ name, origin }) => [name, origin.path, origin.position.line]),
      [
        ["named.first", "spec.http[0].match[0]", 11],
        ["named", "spec.http[0].match[1]", 99],
        [".m", "spec.http[1].match[0]", 11],
        ["", "spec.http[2]", 77],
      ],
    );
    assert.equal(routes[0]!.action, routes[1]!.action);
    assert.deepEqual(routes[0]!.origin.resource, { kind: "VirtualService", namespace: "default", name: "vs" });
  });

  it("decides match.port, gateways, sourceLabels and sourceNamespace now", () => {
    const both = ["default/gw", "default/gw2"];
    const { routing } = compile(
      gateway(),
      gateway({ name: "gw2", servers: [server(["*"], 8080)] }),
      virtualService({
        gateways: both,
        http: [
          rule({ name: "port", match: [prefix("/p", { port: 8080 })] }),
          rule({ name: "gateway", match: [prefix("/g", { gateways: ["default/gw"] })] }),
          rule({ name: "labels", match: [prefix("/l", { sourceLabels: { app: "naru" } })] }),
          rule({ name: "no-labels", match: [prefix("/l", { sourceLabels: { app: "other" } })] }),
          rule({ name: "namespace", match: [prefix("/n", { sourceNamespace: "default" })] }),
          rule({ name: "no-namespace", match: [prefix("/n", { sourceNamespace: "other" })] }),
        ],
      }),
      service("web"),
    );
    assert.deepEqual(outline(routing), ["*:80: gateway labels namespace"]);
    assert.deepEqual(outline(routing, "http.8080"), ["*:8080: port labels namespace"]);
  });

  it("drops what stands behind a route that takes everything, and says so", () => {
    const { routing, problems } = compile(
      gateway(),
      virtualService({
        http: [
          rule({ name: "a", match: [prefix("/a"), prefix("/"), prefix("/never", { position: at(40) })] }),
          rule({ name: "b", position: at(50) }),
        ],
      }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: a a"]);
    assert.deepEqual(
      problems.map(({ code, path, position }) => [code, path, position.line]),
      [
        ["UNREACHABLE_ROUTE", "spec.http[0].match[2]", 40],
        ["UNREACHABLE_ROUTE", "spec.http[1]", 50],
      ],
    );
  });

  it("does not take a prefix / with another condition for everything", () => {
    const conditions = [
      { headers: { a: { kind: "presence" } } },
      { withoutHeaders: { a: { kind: "presence" } } },
      { queryParams: { a: { kind: "exact", value: "1" } } },
      { method: { kind: "exact", value: "GET" } },
      { scheme: { kind: "exact", value: "http" } },
      { authority: { kind: "exact", value: "a.com" } },
    ] as const;
    const { problems, routing } = compile(
      gateway(),
      virtualService({
        http: [...conditions.map((given) => rule({ name: "x", match: [prefix("/", given)] })), rule({ name: "last" })],
      }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: x x x x x x last"]);
    assert.deepEqual(problems, []);
  });

  it("does not call a route unreachable that another port can reach", () => {
    const { problems } = compile(
      gateway({ servers: [server(["*"], 80), server(["*"], 8080)] }),
      virtualService({ http: [rule({ match: [match({ port: 80 })] }), rule()] }),
      web,
    );
    assert.deepEqual(problems, []);
  });

  it("merges VirtualServices of one host in age order with catch-all routes at the end", () => {
    const { routing, problems } = compile(
      gateway(),
      virtualService({
        name: "young",
        order: 1,
        createdMs: 200,
        http: [rule({ name: "y", match: [exact("/y")] }), rule({ name: "y-all" })],
      }),
      virtualService({
        name: "old",
        order: 3,
        createdMs: 100,
        http: [rule({ name: "o", match: [exact("/o")] }), rule({ name: "o-all" })],
      }),
      virtualService({ name: "undated", order: 2, http: [rule({ name: "u", match: [exact("/u")] })] }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: o y u o-all"]);
    assert.deepEqual(summary(problems), ["warning UNREACHABLE_ROUTE young spec.http[1]"]);
  });

  it("decides by name, then namespace, when nothing tells the age", () => {
    const { routing } = compile(
      gateway({ namespace: "a" }),
      virtualService({
        name: "b",
        namespace: "a",
        gateways: ["a/gw"],
        http: [rule({ name: "ba", match: [exact("/1")] })],
      }),
      virtualService({
        name: "a",
        namespace: "z",
        gateways: ["a/gw"],
        http: [rule({ name: "az", match: [exact("/2")] })],
      }),
      virtualService({
        name: "a",
        namespace: "b",
        gateways: ["a/gw"],
        http: [rule({ name: "ab", match: [exact("/3")] })],
      }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: ab az ba"]);
  });

  it("does not double a VirtualService that two Gateways bring to one host", () => {
    const { routing } = compile(
      gateway({ name: "a" }),
      gateway({ name: "b" }),
      virtualService({ gateways: ["default/a", "default/b"], http: [rule({ name: "r", match: [exact("/x")] })] }),
      web,
    );
    assert.deepEqual(outline(routing), ["*:80: r"]);
  });
});

describe("forward actions", () => {
  function actionOf(given: Parameters<typeof rule>[0], ...resources: readonly Resource[]) {
    const { routing, problems } = compile(gateway(), virtualService({ http: [rule(given)] }), ...resources);
    return { action: routing.routeTables.get("http.80")!.hosts[0]!.routes[0]!.action, routing, problems };
  }

  it("drops weight 0 beside others and ignores the weight of one alone", () => {
    const route = [to("web", { weight: 0 }), to("web", { port: 80, weight: 30 }), to("other", { weight: 10 })];
    const { action } = actionOf({ route }, web, service("other"));
    assert.ok(action.kind === "forward");
    assert.deepEqual(action.destinations, [
      { cluster: `outbound|80||${fqdn("web")}`, weight: 30 },
      { cluster: `outbound|80||${fqdn("other")}`, weight: 10 },
    ]);
    const alone = actionOf({ route: [to("web", { weight: 70 })] }, web).action;
    assert.ok(alone.kind === "forward");
    assert.deepEqual(alone.destinations, [{ cluster: `outbound|80||${fqdn("web")}`, weight: 1 }]);
  });

  it("has Istio's default retries", () => {
    const { action } = actionOf({}, web);
    assert.ok(action.kind === "forward");
    assert.deepEqual(action.retries, {
      attempts: 2,
      perTryTimeoutMs: 0,
      on: ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"],
      statusCodes: [],
      backoffMs: 25,
    });
  });

  it("takes retries as written", () => {
    const retries = {
      attempts: 3,
      perTryTimeoutMs: 500,
      retryOn: ["5xx"],
      retriableStatusCodes: [418],
      backoffMs: 10,
    } as const;
    const { action } = actionOf({ timeoutMs: 2000, retries }, web);
    assert.ok(action.kind === "forward");
    assert.deepEqual(action.retries, {
      attempts: 3,
      perTryTimeoutMs: 500,
      on: ["5xx", "retriable-status-codes"],
      statusCodes: [418],
      backoffMs: 10,
    });
    assert.equal(action.timeoutMs, 2000);
  });

  it("lets the rule's timeout end a try that may last as long, and retries nothing after 0 attempts", () => {
    const retries = { attempts: 0, perTryTimeoutMs: 2000, retryOn: [], retriableStatusCodes: [], backoffMs: 25 };
    const { action } = actionOf({ timeoutMs: 2000, retries }, web);
    assert.ok(action.kind === "forward");
    assert.equal(action.retries.attempts, 0);
    assert.equal(action.retries.perTryTimeoutMs, 0);
  });

  it("falls back to the only port of a service, then to the listener's", () => {
    const several = service("web", { ports: [servicePort(80), servicePort(9090, "http-admin")] });
    const onlyPort = actionOf({}, service("web", { ports: [servicePort(9080)] }));
    assert.deepEqual([...onlyPort.routing.clusters.keys()], [`outbound|9080||${fqdn("web")}`]);
    const listenerPort = actionOf({}, several);
    assert.deepEqual([...listenerPort.routing.clusters.keys()], [`outbound|80||${fqdn("web")}`]);
    assert.deepEqual(listenerPort.problems, []);
  });

  it("reports a listener port that a service of several ports does not have", () => {
    const several = service("web", { ports: [servicePort(9080), servicePort(9090, "http-admin")] });
    const { action, routing, problems } = actionOf({}, several);
    assert.ok(action.kind === "forward");
    assert.equal(action.destinations[0]?.cluster, `outbound|80||${fqdn("web")}`);
    assert.equal(routing.clusters.size, 0);
    assert.deepEqual(summary(problems), ["warning REFERENCE vs spec.http[0].route[0].destination.port"]);
  });

  const missing = [
    { what: "a service", route: to("gone", { port: 80 }), path: "host" },
    { what: "a subset", route: to("web", { subset: "v9" }), path: "subset" },
    { what: "a port", route: to("web", { port: 81 }), path: "port.number" },
    { what: "a TCP port", route: to("web", { port: 53 }), path: "port.number" },
  ];
  for (const { what, route, path } of missing) {
    it(`keeps a route to ${what} that does not exist, without cluster, and reports where it stands`, () => {
      const ports = [servicePort(80), servicePort(53, "dns", { protocol: "UDP" })];
      const { action, routing, problems } = actionOf(
        { route: [{ ...route, position: at(55) }] },
        service("web", { ports }),
      );
      assert.ok(action.kind === "forward");
      assert.equal(action.destinations[0]?.cluster, `outbound|${route.port ?? 80}|${route.subset}|${route.host}`);
      assert.equal(routing.clusters.size, 0);
      assert.deepEqual(summary(problems), [`warning REFERENCE vs spec.http[0].route[0].destination.${path}`]);
      assert.equal(problems[0]?.position.line, 55);
    });
  }

  it("forwards to a port of another protocol as HTTP, with a warning", () => {
    const { routing, problems } = actionOf({}, service("web", { ports: [servicePort(443, "https")] }));
    assert.deepEqual([...routing.clusters.keys()], [`outbound|443||${fqdn("web")}`]);
    assert.deepEqual(summary(problems), ["warning VALUE vs spec.http[0].route[0].destination.port.number"]);
  });

  it("answers 503 where a rule has no destination left, instead of passing requests on", () => {
    const { action } = actionOf({ route: [to("web"), to("web")] }, web);
    assert.deepEqual(action, { kind: "reply", status: 503, body: "" });
  });
});
