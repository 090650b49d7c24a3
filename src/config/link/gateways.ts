// SPDX-License-Identifier: Apache-2.0
// The Gateways of this process: which ones select it, and which hosts of theirs a VirtualService gets.

import type { Gateway, GatewayServer, ProblemList, ResourcesByKind, VirtualService } from "../../model/index.ts";
import { getOrCreate } from "./destination-rules.ts";
import { compareSpecificity, coveringHosts, hostCovers, isWildcardHost } from "./hosts.ts";
import { selects, type CompileOptions } from "./options.ts";

/** One address and port, with the servers of all Gateways that share it. */
export interface GatewayListener {
  readonly bind: string;
  readonly port: number;
  /** By `namespace/name` of the Gateway. */
  readonly servers: ReadonlyMap<string, ServerHosts>;
}

/** Hosts of one Gateway on one listener, indexed so that a VirtualService finds its own without a scan. */
export interface ServerHosts {
  /** Host → namespaces whose VirtualServices may bind it. */
  readonly namespacesByHost: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface LinkedGateways {
  /** In order of the oldest Gateway that asks for them. */
  readonly listeners: readonly GatewayListener[];
  /** `namespace/name` of the Gateways that select this process. */
  readonly attached: ReadonlySet<string>;
  /** `namespace/name` of all. */
  readonly known: ReadonlySet<string>;
}

/** Selects, groups by address, and reports the Gateways that are somebody else's. */
export function linkGateways(
  resources: ResourcesByKind,
  options: CompileOptions,
  problems: ProblemList,
): LinkedGateways {
  const known = new Set(resources.Gateway.map(gatewayKey));
  const attached = new Set<string>();
  const listeners = new Map<string, MutableListener>();
  if (!options.gateway) return { listeners: [], attached, known };
  for (const gateway of resources.Gateway) {
    if (!selects(gateway.selector, options.identity.labels)) {
      reportUnselected(gateway, problems);
      continue;
    }
    attached.add(gatewayKey(gateway));
    for (const server of gateway.servers) {
      const { bind, port } = server;
      const { servers } = getOrCreate(listeners, `${bind} ${port}`, () => newListener(bind, port));
      addHosts(getOrCreate(servers, gatewayKey(gateway), newHosts), server);
    }
  }
  return { listeners: [...listeners.values()], attached, known };
}

/**
 * Domains that a VirtualService gets from one Gateway: of each pair of overlapping hosts the narrower one, most
 * specific first. Hosts that do not admit its namespace are not there for it.
 */
export function boundDomains(server: ServerHosts, virtualService: VirtualService): string[] {
  const domains = new Set<string>();
  for (const host of virtualService.hosts) {
    for (const covering of coveringHosts(host)) {
      if (!admits(server.namespacesByHost.get(covering), virtualService.namespace)) continue;
      domains.add(host);
      break;
    }
    if (!isWildcardHost(host)) continue;
    for (const [serverHost, namespaces] of server.namespacesByHost) {
      if (hostCovers(host, serverHost) && admits(namespaces, virtualService.namespace)) domains.add(serverHost);
    }
  }
  return [...domains].toSorted(compareSpecificity);
}

/** `namespace/name`, as VirtualServices refer to it. */
export function gatewayKey(gateway: Gateway): string {
  return `${gateway.namespace}/${gateway.name}`;
}

interface MutableListener extends GatewayListener {
  readonly servers: Map<string, MutableHosts>;
}

interface MutableHosts extends ServerHosts {
  readonly namespacesByHost: Map<string, Set<string>>;
}

function newListener(bind: string, port: number): MutableListener {
  return { bind, port, servers: new Map() };
}

function newHosts(): MutableHosts {
  return { namespacesByHost: new Map() };
}

function addHosts(hosts: MutableHosts, server: GatewayServer): void {
  for (const { namespace, host } of server.hosts) {
    getOrCreate(hosts.namespacesByHost, host, () => new Set<string>()).add(namespace);
  }
}

function admits(namespaces: ReadonlySet<string> | undefined, namespace: string): boolean {
  return namespaces !== undefined && (namespaces.has("*") || namespaces.has(namespace));
}

function reportUnselected(gateway: Gateway, problems: ProblemList): void {
  const selector = Object.entries(gateway.selector).map(([key, value]) => `${key}=${value}`);
  problems.add({
    code: "UNATTACHED",
    severity: "info",
    resource: gateway,
    path: "spec.selector",
    message: `this proxy does not carry the labels ${selector.join(",")}; start it with them to serve this Gateway`,
  });
}
