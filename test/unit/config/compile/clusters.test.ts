// SPDX-License-Identifier: Apache-2.0
// Which DestinationRule holds for a cluster, and how its levels combine.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import type { ClusterSpec, ConnectionPool, Problem, Resource, TrafficPolicy } from "../../../../src/model/index.ts";
import {
  destinationRule,
  fqdn,
  identity,
  meshOptions,
  service,
  serviceEntry,
  servicePort,
  subset,
} from "./builders.ts";

const unlimited = 4_294_967_295;

function policy(given: Partial<TrafficPolicy>): TrafficPolicy {
  return { loadBalancer: null, connectionPool: null, portLevel: [], ...given };
}

function pool(given: Partial<ConnectionPool>): ConnectionPool {
  return {
    connectTimeoutMs: null,
    maxConnections: null,
    maxPendingRequests: null,
    maxRequests: null,
    maxRequestsPerConnection: null,
    maxRetries: null,
    idleTimeoutMs: null,
    ...given,
  };
}

function clusterOf(name: string, ...resources: readonly Resource[]): ClusterSpec {
  const cluster = compileRouting(resources, meshOptions).routing.clusters.get(name);
  assert.ok(cluster, `no cluster ${name}`);
  return cluster;
}

const whole = `outbound|80||${fqdn("web")}`;
const v1 = `outbound|80|v1|${fqdn("web")}`;

describe("cluster policies", () => {
  it("default to Istio's", () => {
    assert.deepEqual(clusterOf(whole, service("web")), {
      name: whole,
      service: { host: fqdn("web"), name: "web", namespace: "default" },
      port: 80,
      subset: "",
      loadBalancer: "LEAST_REQUEST",
      connectTimeoutMs: 10_000,
      maxConnections: unlimited,
      maxPendingRequests: unlimited,
      maxRequests: unlimited,
      maxRetries: unlimited,
      maxRequestsPerConnection: 0,
      idleTimeoutMs: 3_600_000,
      discovery: "static",
    });
  });

  it("come from the rule; 0 is off for the idle timeout and no limit for thresholds", () => {
    const connectionPool = pool({ connectTimeoutMs: 250, maxConnections: 7, maxRequests: 0, idleTimeoutMs: 0 });
    const trafficPolicy = policy({ loadBalancer: "ROUND_ROBIN", connectionPool });
    const cluster = clusterOf(whole, service("web"), destinationRule({ trafficPolicy }));
    assert.equal(cluster.loadBalancer, "ROUND_ROBIN");
    assert.equal(cluster.connectTimeoutMs, 250);
    assert.equal(cluster.maxConnections, 7);
    assert.equal(cluster.maxRequests, unlimited);
    assert.equal(cluster.idleTimeoutMs, 0);
  });

  it("of a subset override the rule's field by field, and only for that subset", () => {
    const rule = destinationRule({
      trafficPolicy: policy({ loadBalancer: "RANDOM", connectionPool: pool({ maxConnections: 7, maxRetries: 3 }) }),
      subsets: [subset("v1", { trafficPolicy: policy({ connectionPool: pool({ maxConnections: 9 }) }) }), subset("v2")],
    });
    const overridden = clusterOf(v1, service("web"), rule);
    assert.deepEqual(
      [overridden.loadBalancer, overridden.maxConnections, overridden.maxRetries],
      ["RANDOM", 9, unlimited],
    );
    for (const name of [whole, `outbound|80|v2|${fqdn("web")}`]) {
      const cluster = clusterOf(name, service("web"), rule);
      assert.deepEqual([cluster.loadBalancer, cluster.maxConnections, cluster.maxRetries], ["RANDOM", 7, 3]);
    }
  });

  it("of a port replace the rule's wholesale, down to the defaults", () => {
    const rule = destinationRule({
      trafficPolicy: policy({
        loadBalancer: "RANDOM",
        connectionPool: pool({ maxConnections: 7 }),
        portLevel: [{ port: 8080, loadBalancer: null, connectionPool: pool({ maxRetries: 2 }) }],
      }),
      subsets: [
        subset("v1", { trafficPolicy: policy({ loadBalancer: "ROUND_ROBIN" }) }),
        subset("v2", {
          trafficPolicy: policy({ portLevel: [{ port: 80, loadBalancer: null, connectionPool: null }] }),
        }),
      ],
    });
    const web = service("web", { ports: [servicePort(80), servicePort(8080, "http-alt")] });
    const parts = (name: string): unknown[] => {
      const { loadBalancer, maxConnections, maxRetries } = clusterOf(name, web, rule);
      return [loadBalancer, maxConnections, maxRetries];
    };
    assert.deepEqual(parts(whole), ["RANDOM", 7, unlimited]);
    assert.deepEqual(parts(`outbound|8080||${fqdn("web")}`), ["LEAST_REQUEST", unlimited, 2]);
    assert.deepEqual(parts(`outbound|8080|v1|${fqdn("web")}`), ["ROUND_ROBIN", unlimited, 2]);
    assert.deepEqual(parts(`outbound|80|v2|${fqdn("web")}`), ["LEAST_REQUEST", unlimited, unlimited]);
  });
});

describe("DestinationRule lookup", () => {
  const other = fqdn("web", "other");
  const cluster = `outbound|80||${other}`;
  const web = service("web", { namespace: "other" });
  const ruleIn = (namespace: string, loadBalancer: "RANDOM" | "ROUND_ROBIN", given = {}): Resource =>
    destinationRule({ name: namespace, namespace, host: other, trafficPolicy: policy({ loadBalancer }), ...given });

  it("asks the client's namespace, then the service's, then istio-system", () => {
    const [client, own, root] = [
      ruleIn("default", "RANDOM"),
      ruleIn("other", "ROUND_ROBIN"),
      ruleIn("istio-system", "RANDOM"),
    ];
    assert.equal(clusterOf(cluster, web, own, client).loadBalancer, "RANDOM");
    assert.equal(clusterOf(cluster, web, root, own).loadBalancer, "ROUND_ROBIN");
    assert.equal(clusterOf(cluster, web, root).loadBalancer, "RANDOM");
    assert.equal(clusterOf(cluster, web, ruleIn("third", "RANDOM")).loadBalancer, "LEAST_REQUEST");
  });

  it("prefers the service's namespace for a client in istio-system", () => {
    const options = { ...meshOptions, identity: { ...identity, namespace: "istio-system" } };
    const resources = [web, ruleIn("istio-system", "RANDOM"), ruleIn("other", "ROUND_ROBIN")];
    assert.equal(compileRouting(resources, options).routing.clusters.get(cluster)?.loadBalancer, "ROUND_ROBIN");
  });

  it("honours exportTo", () => {
    assert.equal(
      clusterOf(cluster, web, ruleIn("other", "RANDOM", { exportTo: ["other"] })).loadBalancer,
      "LEAST_REQUEST",
    );
    assert.equal(clusterOf(cluster, web, ruleIn("other", "RANDOM", { exportTo: ["default"] })).loadBalancer, "RANDOM");
  });

  it("takes the most specific host of a namespace", () => {
    const rules = [
      ruleIn("default", "RANDOM", { name: "wide", host: "*.svc.cluster.local" }),
      ruleIn("default", "ROUND_ROBIN", { name: "narrow", host: "*.other.svc.cluster.local" }),
    ];
    assert.equal(clusterOf(cluster, web, ...rules).loadBalancer, "ROUND_ROBIN");
    const external = serviceEntry({ hosts: ["*.shop.com"] });
    const wildcard = ruleIn("default", "RANDOM", { host: "*.shop.com" });
    assert.equal(clusterOf("outbound|80||*.shop.com", external, wildcard).loadBalancer, "RANDOM");
  });

  it("merges the subsets of rules for one host; the oldest policy and the oldest subset of a name win", () => {
    const rules = [
      destinationRule({
        name: "b",
        order: 2,
        trafficPolicy: policy({ loadBalancer: "RANDOM" }),
        subsets: [subset("v1", { trafficPolicy: policy({ loadBalancer: "RANDOM" }) }), subset("v2")],
      }),
      destinationRule({
        name: "a",
        order: 1,
        trafficPolicy: policy({ loadBalancer: "ROUND_ROBIN" }),
        subsets: [subset("v1")],
      }),
    ];
    for (const name of [whole, v1, `outbound|80|v2|${fqdn("web")}`]) {
      assert.equal(clusterOf(name, service("web"), ...rules).loadBalancer, "ROUND_ROBIN");
    }
  });

  it("reports rules for hosts that are no service", () => {
    const problemsOf = (host: string): readonly Problem[] =>
      compileRouting([service("web"), destinationRule({ host })], meshOptions).problems;
    assert.deepEqual(
      problemsOf("gone.com").map(({ code, path }) => [code, path]),
      [["REFERENCE", "spec.host"]],
    );
    assert.deepEqual(problemsOf("*.default.svc.cluster.local"), []);
    assert.equal(problemsOf("*.gone.com").length, 1);
  });
});
