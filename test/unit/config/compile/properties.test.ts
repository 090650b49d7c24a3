// SPDX-License-Identifier: Apache-2.0
// What holds for every configuration: determinism, unique domains, order, data that can be sent to a worker.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { compileEndpoints } from "../../../../src/config/compile/compile-endpoints.ts";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import { takesEverything } from "../../../../src/config/compile/routes.ts";
import type { CompileOptions } from "../../../../src/config/link/options.ts";
import type { HttpRule, Resource, RouteSpec } from "../../../../src/model/index.ts";
import {
  at,
  destinationRule,
  exact,
  fqdn,
  gateway,
  gatewayOptions,
  prefix,
  rule,
  server,
  service,
  serviceEntry,
  slice,
  sliceEndpoint,
  subset,
  to,
  virtualService,
} from "./builders.ts";

const options: CompileOptions = { ...gatewayOptions, mesh: { bind: "", port: 15_001 } };
const host = fc.constantFrom(
  "*",
  "*.com",
  "*.shop.com",
  "a.shop.com",
  "b.shop.com",
  fqdn("web"),
  fqdn("api"),
  "gone.com",
);

const httpRule: fc.Arbitrary<HttpRule> = fc
  .record({
    match: fc.array(
      fc.oneof(
        fc.constantFrom("/", "/a", "/b").map((path) => prefix(path)),
        fc.constantFrom("/", "/a").map((path) => exact(path)),
        fc.constantFrom(80, 8080).map((port) => prefix("/p", { port })),
        fc.constant(prefix("/", { method: { kind: "exact", value: "GET" } })),
        fc.constantFrom("naru", "other").map((app) => prefix("/s", { sourceLabels: { app } })),
      ),
      { maxLength: 3 },
    ),
    route: fc.array(
      fc.record({
        host: fc.constantFrom(fqdn("web"), fqdn("api"), "a.shop.com", "gone.com"),
        subset: fc.constantFrom("", "", "v1", "v9"),
        port: fc.constantFrom(null, null, 80, 81),
        weight: fc.nat(2),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ match, route }) => rule({ match, route: route.map((each) => to(each.host, each)) }));

/** Resources of one input; the index is the order, so that nothing but it decides age. */
const resources: fc.Arbitrary<readonly Resource[]> = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc
          .record({
            hosts: fc.uniqueArray(host, { minLength: 1, maxLength: 3 }),
            http: fc.array(httpRule, { minLength: 1, maxLength: 3 }),
            gateways: fc.uniqueArray(fc.constantFrom("mesh", "default/gw", "default/gw2", "default/gone"), {
              minLength: 1,
              maxLength: 3,
            }),
          })
          .map((given) => virtualService(given)),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Resource>(
          service("web"),
          service("api"),
          serviceEntry({ hosts: ["a.shop.com", "*.shop.com"] }),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Resource>(
          gateway(),
          gateway({ name: "gw2", servers: [server(["*.shop.com", "other/*"]), server(["*"], 8080)] }),
        ),
      },
      { weight: 1, arbitrary: fc.constant<Resource>(destinationRule({ subsets: [subset("v1")] })) },
      {
        weight: 1,
        arbitrary: fc.constant<Resource>(
          slice("s", { labels: { version: "v1" }, endpoints: [sliceEndpoint("10.0.0.1")] }),
        ),
      },
    ),
    { maxLength: 12 },
  )
  .map(deduplicate);

/** The store sees to it that a name stands once; VirtualServices get names of their own. */
function deduplicate(all: readonly Resource[]): readonly Resource[] {
  const seen = new Set<string>();
  return all.flatMap((resource, order): readonly Resource[] => {
    const name = resource.kind === "VirtualService" ? `vs-${order}` : resource.name;
    if (seen.has(`${resource.kind} ${name}`)) return [];
    seen.add(`${resource.kind} ${name}`);
    return [{ ...resource, name, order }];
  });
}

describe("every configuration", () => {
  it("compiles alike in whatever sequence its resources come", () => {
    fc.assert(
      fc.property(resources, fc.infiniteStream(fc.nat()), (given, random) => {
        const shuffled = given
          .map((resource) => [random.next().value, resource] as const)
          .toSorted(([left], [right]) => left - right)
          .map(([, resource]) => resource);
        const [left, right] = [compileRouting(given, options), compileRouting(shuffled, options)];
        assert.equal(left.routing.version, right.routing.version);
        assert.deepEqual(left, right);
        assert.deepEqual(
          compileEndpoints(given, left.routing, options),
          compileEndpoints(shuffled, right.routing, options),
        );
      }),
    );
  });

  it("keeps its version when resources only move in their files", () => {
    fc.assert(
      fc.property(resources, (given) => {
        const moved = given.map((resource) => movedDown(resource));
        assert.equal(compileRouting(given, options).routing.version, compileRouting(moved, options).routing.version);
      }),
    );
  });

  it("gives every domain to one host, and every host routes in Istio's order", () => {
    fc.assert(
      fc.property(resources, (given) => {
        const { routing } = compileRouting(given, options);
        const age = new Map(given.map((resource) => [resource.name, resource.order]));
        for (const listener of routing.listeners) {
          for (const table of listener.tables.values()) assert.ok(routing.routeTables.has(table));
        }
        for (const { hosts } of routing.routeTables.values()) {
          const domains = hosts.flatMap((each) => each.domains);
          assert.equal(domains.length, new Set(domains).size);
          for (const { routes } of hosts) checkOrder(routes, age);
        }
      }),
    );
  });

  it("names a cluster exactly where there is a service port and subset", () => {
    fc.assert(
      fc.property(resources, (given) => {
        const { routing, problems } = compileRouting(given, options);
        const hosts = new Set([...routing.clusters.values()].map(({ service: { host: name } }) => name));
        for (const route of allRoutes(routing.routeTables.values())) {
          if (route.action.kind !== "forward") continue;
          assert.ok(route.action.destinations.length > 0);
          for (const { cluster, weight } of route.action.destinations) {
            assert.ok(weight > 0);
            if (routing.clusters.has(cluster)) continue;
            // Whatever cannot be reached has been reported, on the resource that names it.
            const owner = route.origin.resource.name;
            assert.ok(
              problems.some(({ code, resource }) => code === "REFERENCE" && resource?.name === owner),
              `${cluster} of ${owner}; known: ${[...hosts].join(" ")}`,
            );
          }
        }
      }),
    );
  });

  it("is data that a worker can be sent", () => {
    fc.assert(
      fc.property(resources, (given) => {
        const { routing } = compileRouting(given, options);
        assert.deepEqual(structuredClone(routing), routing);
      }),
      { numRuns: 20 },
    );
  });
});

function checkOrder(routes: readonly RouteSpec[], age: ReadonlyMap<string, number>): void {
  assert.ok(routes.length > 0);
  const beforeLast = routes.slice(0, -1);
  assert.ok(!beforeLast.some(takesEverything), "only the last route takes everything");
  const orders = beforeLast.map(({ origin }) => age.get(origin.resource.name) ?? -1);
  assert.deepEqual(
    orders,
    orders.toSorted((left, right) => left - right),
  );
}

function* allRoutes(tables: Iterable<{ readonly hosts: readonly { readonly routes: readonly RouteSpec[] }[] }>) {
  for (const { hosts } of tables) for (const { routes } of hosts) yield* routes;
}

function movedDown(resource: Resource): Resource {
  const position = at(resource.position.line + 5);
  if (resource.kind !== "VirtualService") return { ...resource, position };
  return { ...resource, position, http: resource.http.map((each) => ({ ...each, position })) };
}
