// SPDX-License-Identifier: Apache-2.0
// One build: texts → decode → store → link → compile, doing again only what has changed since the build before.

import { hash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { EndpointSnapshot, Problem, Resource, ResourceKind, RoutingSnapshot } from "../model/index.ts";
import { compileEndpoints } from "./compile/compile-endpoints.ts";
import { compileRouting } from "./compile/compile-routing.ts";
import { endpointsVersion, routingVersion } from "./compile/version.ts";
import { decodeDocuments, type DecodeResult, type IgnoredKind } from "./decode/index.ts";
import type { CompileOptions } from "./link/options.ts";
import { getOrCreate } from "./link/destination-rules.ts";
import type { SourceFile } from "./source/index.ts";
import { createStore, type StoreState } from "./store.ts";

/** Everything that is known about the configuration after a build. */
export interface Build {
  /** In force now: rejected resources by their last good version. */
  readonly resources: readonly Resource[];
  readonly routing: RoutingSnapshot;
  readonly endpoints: EndpointSnapshot;
  /** Of the sources, the texts, the references and the endpoints, in this order. */
  readonly problems: readonly Problem[];
  /** Kinds that are not read. */
  readonly ignored: readonly IgnoredKind[];
  /** How much had to be compiled: endpoints change often, and then routes are left alone. */
  readonly compiled: "all" | "endpoints" | "nothing";
}

export interface Builder {
  /** Takes the whole present state of the source. Single writer; snapshots that did not change are the same objects. */
  build(files: readonly SourceFile[], sourceProblems: readonly Problem[]): Build;
  /** What the next build is compared with; data only, for `createBuilder` elsewhere. */
  state(): BuilderState;
}

/** Everything that a builder knows. */
export interface BuilderState {
  readonly decodedFiles: ReadonlyMap<string, DecodedFile>;
  readonly store: StoreState;
  /** null before the first build. */
  readonly compiled: Compiled | null;
}

/** Kinds that say who serves and nothing about routes. */
const endpointKinds: ReadonlySet<ResourceKind> = new Set(["EndpointSlice", "Endpoints", "WorkloadEntry"]);

/** Kinds that nobody but the announcer reads. */
const announcerKinds: ReadonlySet<ResourceKind> = new Set([
  "Node",
  "Secret",
  "IPAddressPool",
  "L2Advertisement",
  "BGPAdvertisement",
  "BGPPeer",
  "BFDProfile",
  "Community",
]);

/**
 * Distance between the orders of two files, more than a file of the permitted size can have resources: a resource more
 * in one file then leaves the others as they are.
 */
const ordersPerFile = 2 ** 20;

interface DecodedFile {
  /** SHA-256 of the text, which is not needed any more. */
  readonly digest: string;
  readonly firstOrder: number;
  readonly result: DecodeResult;
}

interface Compiled {
  readonly resources: readonly Resource[];
  readonly routing: RoutingSnapshot;
  readonly routingProblems: readonly Problem[];
  readonly endpoints: EndpointSnapshot;
  readonly endpointProblems: readonly Problem[];
}

/** Before anything was built: the first build compiles everything, even of no files. */
export const emptyState: BuilderState = {
  decodedFiles: new Map(),
  store: { lastGood: new Map(), resources: [] },
  compiled: null,
};

const emptyRouting = { listeners: [], routeTables: new Map(), clusters: new Map() };
const emptyEndpoints = { endpoints: new Map() };
const nothingCompiled: Compiled = {
  resources: [],
  routing: { version: routingVersion(emptyRouting), ...emptyRouting },
  routingProblems: [],
  endpoints: { version: endpointsVersion(emptyEndpoints), ...emptyEndpoints },
  endpointProblems: [],
};

/** A builder that goes on where `state` left off. */
export function createBuilder(options: CompileOptions, state: BuilderState = emptyState): Builder {
  const store = createStore(state.store);
  let { decodedFiles, compiled } = state;
  return {
    state: () => ({ decodedFiles, store: store.state(), compiled }),
    build(files, sourceProblems) {
      decodedFiles = decodeChanged(files, decodedFiles, options.identity.clusterDomain);
      const results = new Map(Array.from(decodedFiles, ([path, { result }]) => [path, result] as const));
      const { resources, problems } = store.update(results, sourceProblems);
      const scope = servesNothing(options) ? "nothing" : scopeOfChange(compiled?.resources ?? null, resources);
      compiled = compile(resources, compiled ?? nothingCompiled, scope, options);
      const { routing, endpoints, routingProblems, endpointProblems } = compiled;
      return {
        resources,
        routing,
        endpoints,
        problems: [...problems, ...routingProblems, ...endpointProblems],
        ignored: countIgnored(results.values()),
        compiled: scope,
      };
    },
  };
}

function decodeChanged(
  files: readonly SourceFile[],
  known: ReadonlyMap<string, DecodedFile>,
  clusterDomain: string,
): ReadonlyMap<string, DecodedFile> {
  const decoded = new Map<string, DecodedFile>();
  for (const [index, { path, text }] of files.entries()) {
    const firstOrder = index * ordersPerFile;
    const before = known.get(path);
    const digest = hash("sha256", text, "base64");
    const isSame = before?.digest === digest && before.firstOrder === firstOrder;
    decoded.set(
      path,
      isSame ? before : { digest, firstOrder, result: decodeDocuments(path, text, firstOrder, { clusterDomain }) },
    );
  }
  return decoded;
}

function compile(
  resources: readonly Resource[],
  before: Compiled,
  scope: Build["compiled"],
  options: CompileOptions,
): Compiled {
  if (scope === "nothing") return { ...before, resources };
  const { routing, routingProblems } = scope === "endpoints" ? before : compileAnew(resources, before, options);
  const result = compileEndpoints(resources, routing, options);
  return {
    resources,
    routing,
    routingProblems,
    endpoints: result.endpoints.version === before.endpoints.version ? before.endpoints : result.endpoints,
    endpointProblems: result.problems,
  };
}

function compileAnew(
  resources: readonly Resource[],
  before: Compiled,
  options: CompileOptions,
): Pick<Compiled, "routing" | "routingProblems"> {
  const { routing, problems } = compileRouting(resources, options);
  const isSame = routing.version === before.routing.version;
  return { routing: isSame ? before.routing : routing, routingProblems: problems };
}

/** Who announces addresses wants the resources alone. */
function servesNothing({ gateway, mesh }: CompileOptions): boolean {
  return !gateway && mesh === null;
}

/** `before` null = it is the first build. */
function scopeOfChange(before: readonly Resource[] | null, after: readonly Resource[]): Build["compiled"] {
  if (before === null) return "all";
  const changed = changedKinds(before, after);
  if (changed.size === 0) return "nothing";
  return changed.isSubsetOf(endpointKinds) ? "endpoints" : "all";
}

/**
 * Kinds, as far as routes depend on them, of which any resource came, went or changed. A resource that only moved in its file counts as changed, too,
 * because problems name its line.
 */
function changedKinds(before: readonly Resource[], after: readonly Resource[]): ReadonlySet<ResourceKind> {
  if (before === after) return new Set();
  const beforeByKind = groupByKind(before);
  const afterByKind = groupByKind(after);
  const changed = new Set<ResourceKind>();
  for (const kind of new Set([...beforeByKind.keys(), ...afterByKind.keys()])) {
    // Resources of unchanged files are the same objects, at which the comparison stops early.
    if (announcerKinds.has(kind) || isDeepStrictEqual(beforeByKind.get(kind), afterByKind.get(kind))) continue;
    if (kind === "Service" && areAlikeToRoutes(beforeByKind.get(kind), afterByKind.get(kind))) continue;
    changed.add(kind);
  }
  return changed;
}

/** Whether Services differ in nothing but what the announcer reads: addresses come and go, and routes stay. */
function areAlikeToRoutes(before: readonly Resource[] = [], after: readonly Resource[] = []): boolean {
  if (before.length !== after.length) return false;
  return before.every((resource, index) => {
    const other = after[index]!;
    return (
      resource === other || isDeepStrictEqual({ ...resource, loadBalancer: null }, { ...other, loadBalancer: null })
    );
  });
}

function groupByKind(resources: readonly Resource[]): ReadonlyMap<ResourceKind, readonly Resource[]> {
  const groups = new Map<ResourceKind, Resource[]>();
  for (const resource of resources) getOrCreate(groups, resource.kind, () => []).push(resource);
  return groups;
}

function countIgnored(results: Iterable<DecodeResult>): readonly IgnoredKind[] {
  const counts = new Map<string, IgnoredKind>();
  for (const { ignored } of results) {
    for (const { apiVersion, kind, count } of ignored) {
      const key = `${apiVersion} ${kind}`;
      counts.set(key, { apiVersion, kind, count: count + (counts.get(key)?.count ?? 0) });
    }
  }
  return [...counts.values()];
}
