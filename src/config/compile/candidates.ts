// SPDX-License-Identifier: Apache-2.0
// Every endpoint of a service port before subsets choose, from the resources that list endpoints.

import { formatHostPort } from "../../core/index.ts";
import type {
  Endpoints,
  EndpointSlice,
  EndpointSpec,
  Labels,
  ProblemList,
  ResourcesByKind,
  Service,
  WorkloadIdentity,
} from "../../model/index.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import type { LinkedPort, LinkedService } from "../link/services.ts";
import { createWorkloads, type Workloads } from "./workload-candidates.ts";
import { workloadIdentity, workloadOfPod } from "./workload-identity.ts";

/** An endpoint of a service port, with the labels by which subsets choose. */
export interface Candidate {
  readonly labels: Labels;
  readonly endpoint: EndpointSpec;
}

export interface Candidates {
  /** Ready or not, each address and port once, in the order of the resources. */
  of(service: LinkedService, port: LinkedPort): readonly Candidate[];
}

interface Sources {
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoints[]>;
  readonly workloads: Workloads;
  /** Name of the Kubernetes cluster, for metrics. */
  readonly clusterName: string;
}

/** Indexes by namespace and service name, so that a service costs what belongs to it. */
export function createCandidates(resources: ResourcesByKind, clusterName: string, problems: ProblemList): Candidates {
  const sources: Sources = {
    slices: groupBy(resources.EndpointSlice, (slice) => `${slice.namespace}/${slice.service}`),
    endpoints: groupBy(resources.Endpoints, (each) => `${each.namespace}/${each.name}`),
    workloads: createWorkloads(resources.WorkloadEntry, clusterName, problems),
    clusterName,
  };
  return {
    of(service, port) {
      const { source } = service;
      return deduplicate(
        source.kind === "ServiceEntry"
          ? sources.workloads.ofServiceEntry(source, service, port)
          : ofService(source, service, port, sources),
      );
    },
  };
}

function ofService(source: Service, service: LinkedService, port: LinkedPort, sources: Sources): readonly Candidate[] {
  if (source.type === "ExternalName") return [sources.workloads.ofName(source.externalName, port)];
  const key = `${source.namespace}/${source.name}`;
  const slices = sources.slices.get(key);
  const listed =
    slices === undefined
      ? (sources.endpoints.get(key) ?? []).flatMap((each) => ofEndpoints(each, port, sources.clusterName))
      : slices.flatMap((slice) => ofSlice(slice, port, sources.clusterName));
  return [...listed, ...sources.workloads.ofSelector(source, source.selector, service, port)];
}

/**
 * Slices carry no pod labels and pods are not read, so a subset chooses by the labels of the slice itself: who writes
 * slices by hand puts `version: v1` there.
 */
function ofSlice(slice: EndpointSlice, port: LinkedPort, clusterName: string): readonly Candidate[] {
  const slicePort = slice.ports.find((each) => each.name === port.name);
  // kube-proxy leaves host names alone, too: addressType FQDN has no meaning for a Service.
  if (slicePort === undefined || slice.addressType === "FQDN") return [];
  const identityOf = identities(slice, clusterName);
  return slice.endpoints.flatMap(({ addresses, ready, pod }) =>
    addresses.map((address) => ofPod(slice, { address, port: slicePort.port, ready, pod }, identityOf)),
  );
}

function ofEndpoints(endpoints: Endpoints, port: LinkedPort, clusterName: string): readonly Candidate[] {
  const identityOf = identities(endpoints, clusterName);
  return endpoints.subsets.flatMap(({ addresses, notReadyAddresses, ports }) => {
    const subsetPort = ports.find((each) => each.name === port.name)?.port;
    if (subsetPort === undefined) return [];
    const toCandidate = (ready: boolean) => (address: (typeof addresses)[number]) =>
      ofPod(endpoints, { address: address.ip, port: subsetPort, ready, pod: address.pod }, identityOf);
    return [...addresses.map(toCandidate(true)), ...notReadyAddresses.map(toCandidate(false))];
  });
}

function ofPod(
  owner: EndpointSlice | Endpoints,
  at: { readonly address: string; readonly port: number; readonly ready: boolean; readonly pod: string },
  identityOf: (pod: string) => WorkloadIdentity,
): Candidate {
  const { labels } = owner;
  const workload = identityOf(at.pod);
  return { labels, endpoint: { address: at.address, port: at.port, weight: 1, ready: at.ready, workload } };
}

/** Pods of one workload get the same object: there are many of them, and they are kept. */
function identities(
  { labels, namespace }: EndpointSlice | Endpoints,
  cluster: string,
): (pod: string) => WorkloadIdentity {
  const known = new Map<string, WorkloadIdentity>();
  return (pod) => {
    const fallbackName = pod === "" ? "" : workloadOfPod(pod);
    return getOrCreate(known, fallbackName, () => workloadIdentity({ labels, namespace, fallbackName, cluster }));
  };
}

/** Slices may list an endpoint twice while it moves between them (Kubernetes API); readiness in one is enough. */
function deduplicate(candidates: readonly Candidate[]): readonly Candidate[] {
  const byAddress = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const { address, port, ready } = candidate.endpoint;
    const key = formatHostPort(address, port);
    const present = byAddress.get(key);
    if (present === undefined || (ready && !present.endpoint.ready)) byAddress.set(key, candidate);
  }
  return [...byAddress.values()];
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): ReadonlyMap<string, readonly Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) getOrCreate(groups, keyOf(item), () => []).push(item);
  return groups;
}
