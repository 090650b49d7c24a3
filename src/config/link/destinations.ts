// SPDX-License-Identifier: Apache-2.0
// Resolves what routes point at, and checks the references of every VirtualService and DestinationRule.

import type { DestinationRule, Position, ProblemList, RouteDestination, VirtualService } from "../../model/index.ts";
import type { DestinationRules } from "./destination-rules.ts";
import { hostCovers, isWildcardHost } from "./hosts.ts";
import { isHttpProtocol } from "./protocols.ts";
import type { LinkedPort, LinkedService, ServiceRegistry } from "./services.ts";

/** The port of a destination: its own, else the service's only one, else the listener's (Istio). */
export function destinationPort(
  destination: RouteDestination,
  service: LinkedService | undefined,
  listenerPort: number,
): number {
  if (destination.port !== null) return destination.port;
  return service?.ports.length === 1 ? service.ports[0]!.number : listenerPort;
}

/** The service port of that number that can carry requests, or null. */
export function requestPort(service: LinkedService, number: number): LinkedPort | null {
  return service.ports.find((port) => port.number === number && port.protocol !== "udp") ?? null;
}

/** Reports destinations of all rules that lead nowhere; the routes stay and are answered 503 NC. */
export function checkDestinations(
  virtualService: VirtualService,
  services: ServiceRegistry,
  rules: DestinationRules,
  problems: ProblemList,
): void {
  for (const [ruleIndex, rule] of virtualService.http.entries()) {
    for (const [index, destination] of rule.route.entries()) {
      const fault = destinationFault(destination, services, rules);
      if (fault === null) continue;
      problems.add({
        code: fault.code,
        severity: "warning",
        resource: virtualService,
        position: destination.position,
        path: `spec.http[${ruleIndex}].route[${index}].destination${fault.field}`,
        message: fault.message,
      });
    }
  }
}

/** Reports DestinationRules whose host is no service. */
export function checkDestinationRule(rule: DestinationRule, services: ServiceRegistry, problems: ProblemList): void {
  if (hasService(rule.host, services)) return;
  problems.add({
    code: "REFERENCE",
    severity: "warning",
    resource: rule,
    path: "spec.host",
    message: `no Service or ServiceEntry has the host ${rule.host}`,
  });
}

/** A VirtualService's destination whose port, taken from the listener, the service does not have. */
export function reportMissingPort(
  virtualService: VirtualService,
  at: { readonly position: Position; readonly path: string },
  service: LinkedService,
  listenerPort: number,
  problems: ProblemList,
): void {
  problems.add({
    code: "REFERENCE",
    severity: "warning",
    resource: virtualService,
    position: at.position,
    path: at.path,
    message:
      `${service.host} has several ports (${portList(service)}) and not the listener's ${listenerPort}: ` +
      "set destination.port.number",
  });
}

interface Fault {
  readonly code: "REFERENCE" | "VALUE" | "UNSERVED_FIELD";
  readonly field: ".host" | ".subset" | ".port.number";
  readonly message: string;
}

function destinationFault(
  destination: RouteDestination,
  services: ServiceRegistry,
  rules: DestinationRules,
): Fault | null {
  const { host, subset } = destination;
  const service = services.visible.get(host);
  if (service === undefined) {
    const message = services.hidden.has(host)
      ? `the ServiceEntry of ${host} is not exported to this proxy's namespace`
      : `no Service or ServiceEntry has the host ${host}`;
    return { code: "REFERENCE", field: ".host", message };
  }
  if (subset !== "" && !rules.policyOf(service).subsets.has(subset)) {
    const message = `no DestinationRule that holds for ${host} has a subset ${subset}`;
    return { code: "REFERENCE", field: ".subset", message };
  }
  return portFault(destination, service);
}

function portFault(destination: RouteDestination, service: LinkedService): Fault | null {
  const field = ".port.number";
  if (service.ports.length === 0) return { code: "REFERENCE", field, message: `${service.host} has no ports` };
  const number = destination.port ?? (service.ports.length === 1 ? service.ports[0]!.number : null);
  // Which of several ports is meant is known only where a listener is.
  if (number === null) return null;
  const port = requestPort(service, number);
  if (port === null) {
    const message = `${service.host} has no TCP port ${number}, only ${portList(service)}`;
    return { code: "REFERENCE", field, message };
  }
  if (!isHttpProtocol(port.protocol)) {
    const message =
      `port ${number} of ${service.host} is declared ${port.protocol}; requests are sent to it as plain HTTP/1.1. ` +
      "Name the port http-… or set appProtocol: http if that is what it speaks";
    return { code: "VALUE", field, message };
  }
  return null;
}

function hasService(host: string, services: ServiceRegistry): boolean {
  if (services.visible.has(host) || services.hidden.has(host)) return true;
  if (!isWildcardHost(host)) return false;
  for (const serviceHost of services.visible.keys()) if (hostCovers(host, serviceHost)) return true;
  return false;
}

function portList(service: LinkedService): string {
  return service.ports.map((port) => (port.protocol === "udp" ? `${port.number}/UDP` : port.number)).join(", ");
}
