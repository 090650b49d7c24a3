// SPDX-License-Identifier: Apache-2.0
// Which Services stand in front of this gateway: as in Kubernetes, those of its namespace whose selector is among its labels.
// Pure.

import { selects } from "../../config/index.ts";
import {
  createProblemList,
  formatRef,
  sortByKind,
  type Gateway,
  type Labels,
  type Problem,
  type ProblemList,
  type ProxyIdentity,
  type Resource,
  type Service,
} from "../../model/index.ts";

export interface FrontServices {
  /** Of type LoadBalancer, and of our class, oldest first. */
  readonly services: readonly Service[];
  /** What keeps the gateway from being reached at their addresses. */
  readonly problems: readonly Problem[];
}

export function frontServices(
  resources: readonly Resource[],
  identity: ProxyIdentity,
  loadBalancerClass: string,
): FrontServices {
  const { Service: all, Gateway: gateways } = sortByKind(resources);
  const problems = createProblemList();
  const ours = gateways.filter(({ selector }) => selects(selector, identity.labels));
  const selecting = all.filter(({ selector }) => hasLabels(selector) && selects(selector, identity.labels));
  const services = selecting.filter((service) => whyNot(service, identity, loadBalancerClass) === null);
  if (services.length > 0) {
    reportPorts(services, ours, problems);
  } else if (selecting.length > 0) {
    for (const service of selecting) {
      const why = whyNot(service, identity, loadBalancerClass);
      if (why !== null) problems.add({ code: "UNATTACHED", severity: "warning", resource: service, ...why });
    }
  } else {
    const other = all.find(({ loadBalancer }) => loadBalancer !== null) ?? null;
    for (const gateway of ours) reportNoService(gateway, identity, other, problems);
  }
  return { services, problems: problems.sorted() };
}

/** A Service without a selector selects nothing (Kubernetes). */
function hasLabels(selector: Labels | null): selector is Labels {
  return selector !== null && Object.keys(selector).length > 0;
}

/** Why one that has our labels is not ours all the same. */
function whyNot(
  { namespace, type, loadBalancer }: Service,
  identity: ProxyIdentity,
  loadBalancerClass: string,
): { readonly path: string; readonly message: string } | null {
  if (namespace !== identity.namespace) {
    const message = `it would select this gateway, which is in the namespace ${identity.namespace}; start it with --namespace ${namespace}`;
    return { path: "metadata.namespace", message };
  }
  if (loadBalancer === null) {
    return {
      path: "spec.type",
      message: `it selects this gateway and is of type ${type}; only LoadBalancer gets an address`,
    };
  }
  const { loadBalancerClass: its } = loadBalancer;
  if (its === loadBalancerClass) return null;
  const message = `it selects this gateway and is of another class; ${its === "" ? "leave --lb-class out" : `start with --lb-class ${its}`}`;
  return { path: "spec.loadBalancerClass", message };
}

function reportNoService(
  gateway: Gateway,
  identity: ProxyIdentity,
  other: Service | null,
  problems: ProblemList,
): void {
  const { namespace, labels } = identity;
  const nearest =
    other === null
      ? "there is none"
      : `${formatRef(other)} (${other.position.file}:${other.position.line}) selects ${textOf(other.selector ?? {})}`;
  const message =
    `no Service of type LoadBalancer in the namespace ${namespace} selects this gateway, whose labels are ${textOf(labels)}: ` +
    `${nearest}; its ports get no announced address`;
  problems.add({ code: "UNATTACHED", severity: "warning", resource: gateway, path: "spec.selector", message });
}

/** Ports of one side that the other does not have. */
function reportPorts(services: readonly Service[], gateways: readonly Gateway[], problems: ProblemList): void {
  const servers = gateways.flatMap((gateway) => gateway.servers.map((server, index) => ({ gateway, server, index })));
  const listening = new Set(servers.map(({ server }) => server.port));
  const reached = new Set<number>();
  for (const service of services) {
    for (const [index, port] of service.ports.entries()) {
      const listener = listenerPort(port, listening);
      if (listener !== null) reached.add(listener);
      else if (port.protocol === "TCP") {
        const message = `no Gateway of this process has the port ${port.port}, so connections to it are refused`;
        const path = `spec.ports[${index}].port`;
        problems.add({ code: "UNATTACHED", severity: "info", resource: service, path, message });
      }
    }
  }
  const names = services.map(formatRef).join(", ");
  for (const { gateway, server, index } of servers) {
    if (reached.has(server.port)) continue;
    const message = `${names} has no port ${server.port}, so it is not served at the announced address`;
    const path = `spec.servers[${index}].port`;
    const { position } = server;
    problems.add({ code: "UNATTACHED", severity: "warning", resource: gateway, position, path, message });
  }
}

/**
 * Which Gateway port a Service's port leads to: the same number, as Istio reads `servers[].port.number`; else the pods' port, as
 * Istio does for Gateways that name that. null = none.
 */
export function listenerPort(
  { port, targetPort, protocol }: Service["ports"][number],
  listening: ReadonlySet<number>,
): number | null {
  if (protocol !== "TCP") return null;
  if (listening.has(port)) return port;
  return typeof targetPort === "number" && listening.has(targetPort) ? targetPort : null;
}

function textOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "nothing" : pairs.join(",");
}
