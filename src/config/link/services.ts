// SPDX-License-Identifier: Apache-2.0
// The service registry: every host that can be a destination, from Kubernetes Services and Istio ServiceEntries.

import type { ProblemList, ResourcesByKind, Service, ServiceEntry, ServiceIdentity } from "../../model/index.ts";
import { isExportedTo, type CompileOptions } from "./options.ts";
import { portProtocol, type PortProtocol } from "./protocols.ts";

export interface LinkedService {
  /** Lower case; `*.suffix` for some ServiceEntries. */
  readonly host: string;
  readonly identity: ServiceIdentity;
  readonly source: Service | ServiceEntry;
  readonly ports: readonly LinkedPort[];
  readonly discovery: "static" | "dns";
}

export interface LinkedPort {
  readonly number: number;
  readonly name: string;
  readonly protocol: PortProtocol;
  /** Port of the endpoints: a number, or the name of a container port. */
  readonly targetPort: number | string;
}

export interface ServiceRegistry {
  /** What the client namespace may see, by host. */
  readonly visible: ReadonlyMap<string, LinkedService>;
  /** Hosts that exist but are not exported to the client namespace. */
  readonly hidden: ReadonlySet<string>;
}

/** One service per host: Kubernetes Services first, then the client's own namespace, then age; the rest conflict. */
export function linkServices(
  resources: ResourcesByKind,
  options: CompileOptions,
  problems: ProblemList,
): ServiceRegistry {
  const { namespace, clusterDomain } = options.identity;
  const visible = new Map<string, LinkedService>();
  const hidden = new Set<string>();
  for (const service of resources.Service) {
    const linked = linkKubernetesService(service, clusterDomain);
    visible.set(linked.host, linked);
  }
  const own = resources.ServiceEntry.filter((entry) => entry.namespace === namespace);
  const others = resources.ServiceEntry.filter((entry) => entry.namespace !== namespace);
  for (const entry of [...own, ...others]) {
    for (const [index, host] of entry.hosts.entries()) {
      const path = `spec.hosts[${index}]`;
      if (!isExportedTo(entry.exportTo, namespace)) {
        hidden.add(host);
      } else if (visible.has(host)) {
        reportTaken(entry, path, host, visible.get(host)!, problems);
      } else {
        visible.set(host, linkServiceEntry(entry, host));
      }
    }
  }
  return { visible, hidden };
}

/** `name.namespace.svc.domain`. */
export function serviceHost(name: string, namespace: string, clusterDomain: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

function linkKubernetesService(service: Service, clusterDomain: string): LinkedService {
  const { name, namespace } = service;
  const host = serviceHost(name, namespace, clusterDomain);
  const external = service.type === "ExternalName";
  return {
    host,
    identity: { host, name, namespace },
    source: service,
    discovery: external ? "dns" : "static",
    ports: service.ports.map((port) => ({
      number: port.port,
      name: port.name,
      protocol: portProtocol({
        name: port.name,
        number: port.port,
        appProtocol: port.appProtocol,
        transport: port.protocol,
      }),
      // kube-proxy never sees traffic to an ExternalName, so its targetPort means nothing (Istio uses the port).
      targetPort: external ? port.port : port.targetPort,
    })),
  };
}

function linkServiceEntry(entry: ServiceEntry, host: string): LinkedService {
  return {
    host,
    // Istio calls the service of a ServiceEntry by its host, not by the name of the resource.
    identity: { host, name: host, namespace: entry.namespace },
    source: entry,
    discovery: entry.resolution === "DNS" ? "dns" : "static",
    ports: entry.ports.map((port) => ({
      number: port.number,
      name: port.name,
      protocol: portProtocol({ name: port.name, number: port.number, appProtocol: port.protocol, transport: "TCP" }),
      targetPort: port.targetPort,
    })),
  };
}

function reportTaken(
  entry: ServiceEntry,
  path: string,
  host: string,
  winner: LinkedService,
  problems: ProblemList,
): void {
  // A host that stands twice in one entry is repetition, not conflict.
  if (winner.source === entry) return;
  const { kind, namespace, name } = winner.source;
  problems.add({
    code: "HOST_CONFLICT",
    severity: "warning",
    resource: entry,
    path,
    message: `${kind} ${namespace}/${name} already defines ${host}; this entry does not add to it`,
  });
}
