// SPDX-License-Identifier: Apache-2.0
// Route tables of the mesh listener, one per service port: a virtual host per service, and those of VirtualServices
// whose hosts are no service. There is no merging: the oldest VirtualService of a host has it alone (Istio).

import {
  formatRef,
  type ProblemList,
  refOf,
  type RouteSpec,
  type RouteTableSpec,
  type VirtualService,
} from "../../model/index.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import { compareSpecificity, coveringHosts } from "../link/hosts.ts";
import type { LinkedRouting } from "../link/index.ts";
import { meshGateway, type CompileOptions } from "../link/options.ts";
import { isHttpProtocol } from "../link/protocols.ts";
import type { LinkedService } from "../link/services.ts";
import type { Attachments } from "./attachments.ts";
import type { Destinations } from "./destinations.ts";
import { hiddenBehind, type CompiledListener } from "./gateway-tables.ts";
import { compileRetries } from "./retries.ts";
import { matchEverything, type RouteCompiler } from "./routes.ts";
import { serviceAliases } from "./service-domains.ts";

/** Port of hosts that no service defines (Istio), and of authorities that name none. */
const defaultPort = 80;

export interface MeshParts {
  readonly linked: LinkedRouting;
  readonly compiler: RouteCompiler;
  readonly destinations: Destinations;
  readonly attachments: Attachments;
  readonly problems: ProblemList;
  readonly options: CompileOptions;
}

interface HostDraft {
  readonly host: string;
  /** Names it answers to as well, unless another host of the table is called so. */
  readonly aliases: readonly string[];
  readonly routes: readonly RouteSpec[];
}

/** The mesh listener with all its tables; also asks for the cluster of every service port and subset. */
export function compileMeshListener(
  mesh: { readonly bind: string; readonly port: number },
  parts: MeshParts,
): CompiledListener {
  const drafts = new Map<number, HostDraft[]>([[defaultPort, []]]);
  const claims = createClaims(parts);
  for (const service of parts.linked.services.visible.values()) draftService(service, claims, drafts, parts);
  draftForeignHosts(claims, drafts, parts);
  claims.reportConflicts();
  const ports = [...drafts.keys()].toSorted((left, right) => left - right);
  return {
    listener: {
      name: "mesh",
      role: "mesh",
      bind: mesh.bind,
      port: mesh.port,
      tables: new Map(ports.map((port) => [port, String(port)])),
    },
    tables: ports.map((port) => compileTable(port, drafts.get(port)!, parts.options)),
  };
}

function draftService(
  service: LinkedService,
  claims: Claims,
  drafts: Map<number, HostDraft[]>,
  parts: MeshParts,
): void {
  const { destinations, linked, options } = parts;
  const aliases = serviceAliases(service, options.identity);
  const numbers = new Set<number>();
  for (const { number, protocol } of service.ports) {
    if (!isHttpProtocol(protocol) || numbers.has(number)) continue;
    numbers.add(number);
    const cluster = destinations.require(service, number, "");
    for (const subset of linked.rules.policyOf(service).subsets.keys()) destinations.require(service, number, subset);
    const routes = claims.routesOfService(service.host, number) ?? [defaultRoute(service, cluster)];
    getOrCreate(drafts, number, () => []).push({ host: service.host, aliases, routes });
  }
}

/** Wildcards and hosts that no service has; they live on the ports of the services their VirtualService also names. */
function draftForeignHosts(claims: Claims, drafts: Map<number, HostDraft[]>, parts: MeshParts): void {
  for (const host of claims.hosts()) {
    if (parts.linked.services.visible.has(host)) continue;
    for (const { port, routes } of claims.routesOfForeignHost(host)) {
      getOrCreate(drafts, port, () => []).push({ host, aliases: [], routes });
    }
  }
}

/** Which VirtualService gets which host. */
interface Claims {
  hosts(): Iterable<string>;
  /** Routes of the oldest VirtualService of the most specific host that has any for this port; null = nobody has. */
  routesOfService(host: string, port: number): readonly RouteSpec[] | null;
  /** Call after all services, whose ports count here. */
  routesOfForeignHost(host: string): readonly { readonly port: number; readonly routes: readonly RouteSpec[] }[];
  /** Call last. */
  reportConflicts(): void;
}

function createClaims({ linked, compiler, attachments, problems }: MeshParts): Claims {
  const byHost = new Map<string, VirtualService[]>();
  for (const virtualService of linked.virtualServices) {
    if (!virtualService.gateways.includes(meshGateway)) continue;
    for (const host of new Set(virtualService.hosts)) getOrCreate(byHost, host, () => []).push(virtualService);
  }
  const winners = new Map<string, Set<VirtualService>>();
  const servicePorts = new Map<VirtualService, Set<number>>();
  const take = (host: string, port: number, virtualService: VirtualService): readonly RouteSpec[] | null => {
    const { routes, unreachable } = compiler.compile(virtualService, { gateway: meshGateway, port });
    if (routes.length === 0) return null;
    attachments.served(virtualService, routes);
    for (const { route, behind } of unreachable) attachments.hidden(virtualService, route, hiddenBehind(behind));
    getOrCreate(winners, host, () => new Set()).add(virtualService);
    return routes;
  };
  return {
    hosts: () => byHost.keys(),
    routesOfService(host, port) {
      for (const claimed of coveringHosts(host)) {
        for (const virtualService of byHost.get(claimed) ?? []) {
          const routes = take(claimed, port, virtualService);
          if (routes === null) continue;
          getOrCreate(servicePorts, virtualService, () => new Set()).add(port);
          return routes;
        }
      }
      return null;
    },
    routesOfForeignHost(host) {
      const byPort = new Map<number, readonly RouteSpec[]>();
      for (const virtualService of byHost.get(host) ?? []) {
        for (const port of servicePorts.get(virtualService) ?? [defaultPort]) {
          const routes = byPort.has(port) ? null : take(host, port, virtualService);
          if (routes !== null) byPort.set(port, routes);
        }
      }
      return Array.from(byPort, ([port, routes]) => ({ port, routes }));
    },
    reportConflicts() {
      for (const [host, claimants] of byHost) reportLosers(host, claimants, winners.get(host), attachments, problems);
    },
  };
}

function reportLosers(
  host: string,
  claimants: readonly VirtualService[],
  winners: ReadonlySet<VirtualService> | undefined,
  attachments: Attachments,
  problems: ProblemList,
): void {
  let winner: VirtualService | null = null;
  for (const claimant of claimants) {
    if (winners?.has(claimant) === true) {
      winner ??= claimant;
    } else if (winner !== null) {
      attachments.lostHost(claimant);
      problems.add({
        code: "HOST_CONFLICT",
        severity: "warning",
        resource: claimant,
        path: `spec.hosts[${claimant.hosts.indexOf(host)}]`,
        message:
          `the older ${formatRef(winner)} already has ${host} in the mesh, where VirtualServices are not merged; ` +
          "put the rules into one",
      });
    }
  }
}

function compileTable(port: number, drafts: readonly HostDraft[], options: CompileOptions): RouteTableSpec {
  const taken = new Set(drafts.map((draft) => draft.host));
  const hosts = drafts
    .toSorted((left, right) => compareSpecificity(left.host, right.host))
    .map(({ host, aliases, routes }) => {
      const domains = [host];
      for (const alias of aliases) {
        if (taken.has(alias)) continue;
        taken.add(alias);
        domains.push(alias);
      }
      return { name: `${host}:${port}`, domains, routes };
    });
  if (!taken.has("*")) hosts.push({ name: "block_all", domains: ["*"], routes: [blockAll(options)] });
  return { name: String(port), hosts };
}

function defaultRoute(service: LinkedService, cluster: string): RouteSpec {
  const { source } = service;
  return {
    name: "default",
    match: matchEverything,
    action: {
      kind: "forward",
      destinations: [{ cluster, weight: 1 }],
      timeoutMs: 0,
      retries: compileRetries(null, 0),
    },
    origin: { resource: refOf(source), position: source.position, path: "" },
  };
}

/**
 * Istio's answer to unknown hosts under REGISTRY_ONLY. Passing them through, its default, needs the original
 * destination of a captured connection, which a listener that clients address on purpose does not have.
 */
function blockAll(options: CompileOptions): RouteSpec {
  return {
    name: "block_all",
    match: matchEverything,
    action: { kind: "reply", status: 502, body: "" },
    origin: {
      resource: { kind: "Proxy", namespace: options.identity.namespace, name: "block_all" },
      position: { file: "(built in)", line: 1, column: 1 },
      path: "",
    },
  };
}
