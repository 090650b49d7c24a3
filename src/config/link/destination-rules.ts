// SPDX-License-Identifier: Apache-2.0
// Which DestinationRule holds for a service: Istio's lookup over three namespaces, with rules of one host merged.

import type { DestinationRule, ResourcesByKind, Subset, TrafficPolicy } from "../../model/index.ts";
import { coveringHosts } from "./hosts.ts";
import { isExportedTo, rootNamespace, type CompileOptions } from "./options.ts";
import type { LinkedService } from "./services.ts";

/** A subset and where it stands, for messages about it. */
export interface LinkedSubset {
  readonly subset: Subset;
  readonly rule: DestinationRule;
  /** Index in the rule's `subsets`. */
  readonly index: number;
}

export interface ServicePolicy {
  readonly trafficPolicy: TrafficPolicy | null;
  readonly subsets: ReadonlyMap<string, LinkedSubset>;
}

export interface DestinationRules {
  /** What holds for the service from the client's point of view; the same object for the same service. */
  policyOf(service: LinkedService): ServicePolicy;
}

const noPolicy: ServicePolicy = { trafficPolicy: null, subsets: new Map() };

/** Client namespace, then the service's, then the root namespace; the first that has a matching rule decides alone. */
export function linkDestinationRules(resources: ResourcesByKind, options: CompileOptions): DestinationRules {
  const client = options.identity.namespace;
  const byNamespace = new Map<string, Map<string, DestinationRule[]>>();
  for (const rule of resources.DestinationRule) {
    if (!isExportedTo(rule.exportTo, client)) continue;
    const byHost = getOrCreate(byNamespace, rule.namespace, () => new Map<string, DestinationRule[]>());
    getOrCreate(byHost, rule.host, () => []).push(rule);
  }
  const known = new Map<string, ServicePolicy>();
  return {
    policyOf(service) {
      const cached = known.get(service.host);
      if (cached !== undefined) return cached;
      const rules = findRules(byNamespace, service, client);
      const policy = rules === null ? noPolicy : mergeRules(rules);
      known.set(service.host, policy);
      return policy;
    },
  };
}

function findRules(
  byNamespace: ReadonlyMap<string, ReadonlyMap<string, readonly DestinationRule[]>>,
  service: LinkedService,
  client: string,
): readonly DestinationRule[] | null {
  // Rules of the root namespace are everybody's: for a client that lives there the service's own come first (Istio).
  const first = client === rootNamespace ? service.identity.namespace : client;
  for (const namespace of [first, service.identity.namespace, rootNamespace]) {
    const byHost = byNamespace.get(namespace);
    if (byHost === undefined) continue;
    for (const host of coveringHosts(service.host)) {
      const rules = byHost.get(host);
      if (rules !== undefined) return rules;
    }
  }
  return null;
}

/** Oldest first: the first policy and the first subset of a name win. */
function mergeRules(rules: readonly DestinationRule[]): ServicePolicy {
  const subsets = new Map<string, LinkedSubset>();
  let trafficPolicy: TrafficPolicy | null = null;
  for (const rule of rules) {
    trafficPolicy ??= rule.trafficPolicy;
    for (const [index, subset] of rule.subsets.entries()) {
      if (!subsets.has(subset.name)) subsets.set(subset.name, { subset, rule, index });
    }
  }
  return { trafficPolicy, subsets };
}

/** The value of a key, made and stored when it is missing. */
export function getOrCreate<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const present = map.get(key);
  if (present !== undefined) return present;
  const created = create();
  map.set(key, created);
  return created;
}
