// SPDX-License-Identifier: Apache-2.0
// The mesh listener: tables per service port, domains, default routes, conflicts, hosts that are no service.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import type { Problem, Resource, RouteTableSpec, RoutingSnapshot } from "../../../../src/model/index.ts";
import {
  destinationRule,
  exact,
  fqdn,
  meshOptions,
  match,
  rule,
  service,
  serviceEntry,
  servicePort,
  subset,
  to,
  virtualService,
} from "./builders.ts";

function compile(...resources: readonly Resource[]): { routing: RoutingSnapshot; problems: readonly Problem[] } {
  return compileRouting(resources, meshOptions);
}

function meshService(given: Parameters<typeof virtualService>[0]): Resource {
  return virtualService({ gateways: ["mesh"], ...given });
}

function table(routing: RoutingSnapshot, port: number): RouteTableSpec {
  const found = routing.routeTables.get(String(port));
  assert.ok(found, `no table ${port}`);
  return found;
}

function outline(routing: RoutingSnapshot, port: number): string[] {
  return table(routing, port).hosts.map((host) => `${host.name}: ${host.routes.map((route) => route.name).join(" ")}`);
}

function summary(problems: readonly Problem[]): string[] {
  return problems.map(({ code, severity, resource, path }) => `${severity} ${code} ${resource?.name} ${path}`);
}

describe("mesh listener", () => {
  it("has one table per HTTP service port, and always one for port 80", () => {
    const ports = [servicePort(9080), servicePort(3306, "mysql"), servicePort(53, "dns", { protocol: "UDP" })];
    const { routing } = compile(service("web", { ports }));
    assert.equal(routing.listeners.length, 1);
    const { name, role, bind, port, tables } = routing.listeners[0]!;
    assert.deepEqual([name, role, bind, port], ["mesh", "mesh", "127.0.0.1", 15_001]);
    assert.deepEqual(
      [...tables],
      [
        [80, "80"],
        [9080, "9080"],
      ],
    );
    assert.deepEqual(outline(routing, 80), ["block_all: block_all"]);
    assert.deepEqual(outline(routing, 9080), [`${fqdn("web")}:9080: default`, "block_all: block_all"]);
    assert.deepEqual([...routing.clusters.keys()], [`outbound|9080||${fqdn("web")}`]);
  });

  it("answers unknown hosts 502", () => {
    const last = table(compile().routing, 80).hosts.at(-1)!;
    assert.deepEqual(last.domains, ["*"]);
    assert.deepEqual(last.routes[0]?.action, { kind: "reply", status: 502, body: "" });
  });

  it("forwards to a service nobody routes, without timeout", () => {
    const route = table(compile(service("web")).routing, 80).hosts[0]!.routes[0]!;
    assert.ok(route.action.kind === "forward");
    assert.deepEqual(route.action.destinations, [{ cluster: `outbound|80||${fqdn("web")}`, weight: 1 }]);
    assert.equal(route.action.timeoutMs, 0);
    assert.deepEqual(route.origin.resource, { kind: "Service", namespace: "default", name: "web" });
  });

  it("lists the names of a service, the bare one only in its own namespace", () => {
    const { routing } = compile(
      service("web", { clusterIPs: ["10.0.0.1", "fd00::1"] }),
      service("web", { namespace: "other" }),
      serviceEntry({ hosts: ["api.example.com"] }),
    );
    const domains = Object.fromEntries(table(routing, 80).hosts.map((host) => [host.name, host.domains]));
    assert.deepEqual(domains, {
      [`${fqdn("web")}:80`]: [fqdn("web"), "web.default.svc", "web.default", "web", "10.0.0.1", "fd00::1"],
      [`${fqdn("web", "other")}:80`]: [fqdn("web", "other"), "web.other.svc", "web.other"],
      "api.example.com:80": ["api.example.com"],
      block_all: ["*"],
    });
  });

  it("never gives one domain to two hosts", () => {
    const { routing } = compile(
      service("a", { clusterIPs: ["10.0.0.1"] }),
      service("b", { clusterIPs: ["10.0.0.1"] }),
      serviceEntry({ hosts: ["a.default"] }),
      meshService({ name: "vs", hosts: ["b.default"], http: [rule({ name: "vs", route: [to("a")] })] }),
    );
    const domains = table(routing, 80).hosts.flatMap((host) => host.domains);
    assert.deepEqual(domains.length, new Set(domains).size);
    const owner = table(routing, 80).hosts.find((host) => host.domains.includes("b.default"));
    assert.equal(owner?.name, "b.default:80");
  });

  it("has a cluster for every subset, used or not", () => {
    const { routing } = compile(service("web"), destinationRule({ subsets: [subset("v1"), subset("v2")] }));
    const host = fqdn("web");
    assert.deepEqual(
      [...routing.clusters.keys()],
      [`outbound|80|v1|${host}`, `outbound|80|v2|${host}`, `outbound|80||${host}`],
    );
  });
});

describe("VirtualServices in the mesh", () => {
  it("route the service they name, on each of its ports", () => {
    const { routing, problems } = compile(
      service("web", { ports: [servicePort(80), servicePort(8080, "http-alt")] }),
      meshService({
        hosts: [fqdn("web")],
        http: [
          rule({ name: "eighty", match: [exact("/x", { port: 80 })] }),
          rule({ name: "gateway-only", match: [exact("/g", { gateways: ["default/gw"] })] }),
          rule({ name: "all" }),
        ],
      }),
    );
    assert.deepEqual(outline(routing, 80)[0], `${fqdn("web")}:80: eighty all`);
    assert.deepEqual(outline(routing, 8080)[0], `${fqdn("web")}:8080: all`);
    const route = table(routing, 8080).hosts[0]!.routes[0]!;
    assert.ok(route.action.kind === "forward");
    assert.equal(route.action.destinations[0]?.cluster, `outbound|8080||${fqdn("web")}`);
    assert.deepEqual(problems, []);
  });

  it("are not merged: the oldest has the host, the others are told", () => {
    const { routing, problems } = compile(
      service("web"),
      meshService({ name: "late", order: 2, hosts: [fqdn("web")], http: [rule({ name: "late" })] }),
      meshService({
        name: "early",
        order: 1,
        hosts: [fqdn("web")],
        http: [rule({ name: "early", match: [exact("/")] })],
      }),
    );
    assert.deepEqual(outline(routing, 80)[0], `${fqdn("web")}:80: early`);
    assert.deepEqual(summary(problems), ["warning HOST_CONFLICT late spec.hosts[0]"]);
  });

  it("leave the host to the next one, or to the default route, when no rule is for this client", () => {
    const stranger = match({ sourceLabels: { app: "stranger" } });
    const first = compile(
      service("web"),
      meshService({ name: "a", order: 1, hosts: [fqdn("web")], http: [rule({ name: "a", match: [stranger] })] }),
      meshService({ name: "b", order: 2, hosts: [fqdn("web")], http: [rule({ name: "b" })] }),
    );
    assert.deepEqual(outline(first.routing, 80)[0], `${fqdn("web")}:80: b`);
    const alone = compile(service("web"), meshService({ hosts: [fqdn("web")], http: [rule({ match: [stranger] })] }));
    assert.deepEqual(outline(alone.routing, 80)[0], `${fqdn("web")}:80: default`);
    assert.deepEqual(summary(alone.problems), ["info UNATTACHED vs spec.http"]);
    const otherPort = rule({ match: [match({ port: 8080 }), stranger] });
    const mistaken = compile(service("web"), meshService({ hosts: [fqdn("web")], http: [otherPort] }));
    assert.deepEqual(summary(mistaken.problems), ["warning UNATTACHED vs spec.http"]);
  });

  it("get a host of their own on port 80 when no service is called so", () => {
    const { routing, problems } = compile(
      service("web", { ports: [servicePort(9080)] }),
      meshService({ hosts: ["shop.example.com"], http: [rule({ name: "shop" })] }),
    );
    assert.deepEqual(outline(routing, 80), ["shop.example.com:80: shop", "block_all: block_all"]);
    assert.equal(routing.routeTables.get("9080")!.hosts.length, 2);
    assert.deepEqual(problems, []);
  });

  it("apply wildcards to the services they cover and to everything else below them", () => {
    const { routing } = compile(
      serviceEntry({ hosts: ["a.shop.com", "b.shop.com"] }),
      service("web"),
      meshService({ name: "all", order: 1, hosts: ["*.shop.com"], http: [rule({ name: "all" })] }),
      meshService({ name: "b", order: 2, hosts: ["b.shop.com"], http: [rule({ name: "b" })] }),
    );
    assert.deepEqual(outline(routing, 80), [
      `${fqdn("web")}:80: default`,
      "a.shop.com:80: all",
      "b.shop.com:80: b",
      "*.shop.com:80: all",
      "block_all: block_all",
    ]);
  });

  it("may take every unknown host", () => {
    const { routing } = compile(service("web"), meshService({ hosts: ["*"], http: [rule({ name: "any" })] }));
    assert.deepEqual(outline(routing, 80), [`${fqdn("web")}:80: any`, "*:80: any"]);
  });

  it("do not reach this client unless exported to its namespace", () => {
    const { routing } = compile(
      service("web"),
      meshService({ namespace: "other", exportTo: ["other"], hosts: [fqdn("web")], http: [rule({ name: "vs" })] }),
    );
    assert.deepEqual(outline(routing, 80)[0], `${fqdn("web")}:80: default`);
  });
});

describe("service registry", () => {
  it("reports a second definition of a host and keeps the first", () => {
    const { routing, problems } = compile(
      service("web"),
      serviceEntry({ name: "again", hosts: [fqdn("web")], ports: [] }),
      serviceEntry({ name: "other", namespace: "other", order: 1, hosts: ["x.com"] }),
      serviceEntry({ name: "own", order: 2, hosts: ["x.com"] }),
    );
    assert.deepEqual(summary(problems), [
      "warning HOST_CONFLICT again spec.hosts[0]",
      "warning HOST_CONFLICT other spec.hosts[0]",
    ]);
    assert.equal(routing.clusters.get("outbound|80||x.com")?.service.namespace, "default");
  });

  it("says that a ServiceEntry exists but is not exported here", () => {
    const { problems } = compile(
      service("web"),
      serviceEntry({ namespace: "other", exportTo: ["other"], hosts: ["x.com"] }),
      meshService({ hosts: [fqdn("web")], http: [rule({ route: [to("x.com")] })] }),
    );
    assert.deepEqual(summary(problems), ["warning REFERENCE vs spec.http[0].route[0].destination.host"]);
    assert.match(problems[0]!.message, /not exported/);
  });

  it("resolves an ExternalName by DNS", () => {
    const { routing } = compile(service("ext", { type: "ExternalName", externalName: "example.com" }));
    assert.equal(routing.clusters.get(`outbound|80||${fqdn("ext")}`)?.discovery, "dns");
  });
});
