// SPDX-License-Identifier: Apache-2.0
// Endpoints that Istio resources describe: WorkloadEntries, the inline endpoints of ServiceEntries, and names that the
// data plane resolves.

import { ipFamily } from "../../core/index.ts";
import type { Labels, ProblemList, Service, ServiceEntry, WorkloadEntry, WorkloadSpec } from "../../model/index.ts";
import { isUnixPath } from "../decode/names.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import { selects } from "../link/options.ts";
import type { LinkedPort, LinkedService } from "../link/services.ts";
import type { Candidate } from "./candidates.ts";
import { workloadIdentity } from "./workload-identity.ts";

export interface Workloads {
  /** WorkloadEntries of the owner's namespace that carry all labels; none when there is no selector. */
  ofSelector(
    owner: Service | ServiceEntry,
    selector: Labels | null,
    service: LinkedService,
    port: LinkedPort,
  ): readonly Candidate[];
  /** Selected workloads, else inline endpoints, else (DNS only) the host itself. */
  ofServiceEntry(entry: ServiceEntry, service: LinkedService, port: LinkedPort): readonly Candidate[];
  /** A host name to resolve, about which nothing else is known. */
  ofName(name: string, port: LinkedPort): Candidate;
}

/** One place where a workload is described. */
interface Described {
  readonly owner: WorkloadEntry | ServiceEntry;
  readonly spec: WorkloadSpec;
  readonly labels: Labels;
  readonly fallbackName: string;
  /** Field path of the spec inside its document. */
  readonly path: string;
}

export function createWorkloads(
  entries: readonly WorkloadEntry[],
  clusterName: string,
  problems: ProblemList,
): Workloads {
  const index = indexByLabel(entries);
  const toCandidates = (described: Described, service: LinkedService, port: LinkedPort): readonly Candidate[] => {
    const number = endpointPort(described, port, problems);
    if (!isReachable(described, service, problems) || number === null) return [];
    const { owner, spec, labels, fallbackName } = described;
    const workload = workloadIdentity({ labels, namespace: owner.namespace, fallbackName, cluster: clusterName });
    // Weight 0 is "not said" in a WorkloadEntry (Istio), not "no traffic".
    const weight = Math.max(1, spec.weight);
    return [{ labels, endpoint: { address: spec.address, port: number, weight, ready: true, workload } }];
  };
  const workloads: Workloads = {
    ofSelector(owner, selector, service, port) {
      return index
        .select(owner.namespace, selector)
        .flatMap((entry) => toCandidates(describeEntry(entry), service, port));
    },
    ofServiceEntry(entry, service, port) {
      if (entry.workloadSelector !== null) return workloads.ofSelector(entry, entry.workloadSelector, service, port);
      if (entry.endpoints.length > 0) {
        return entry.endpoints.flatMap((spec, at) => toCandidates(describeInline(entry, spec, at), service, port));
      }
      return service.discovery === "dns" ? [workloads.ofName(service.host, port)] : [];
    },
    ofName(name, port) {
      const workload = workloadIdentity({ labels: {}, namespace: "", fallbackName: "", cluster: clusterName });
      const number = typeof port.targetPort === "number" ? port.targetPort : port.number;
      return { labels: {}, endpoint: { address: name, port: number, weight: 1, ready: true, workload } };
    },
  };
  return workloads;
}

/** Labels of the resource count as well, those of the spec first (Istio). */
function describeEntry(entry: WorkloadEntry): Described {
  return { owner: entry, spec: entry.spec, labels: workloadLabels(entry), fallbackName: entry.name, path: "spec" };
}

function describeInline(owner: ServiceEntry, spec: WorkloadSpec, at: number): Described {
  return { owner, spec, labels: spec.labels, fallbackName: "", path: `spec.endpoints[${at}]` };
}

function workloadLabels({ labels, spec }: WorkloadEntry): Labels {
  return { ...labels, ...spec.labels };
}

/** By the name of the target port, then of the service port, then the number the service gives. */
function endpointPort({ owner, spec, path }: Described, port: LinkedPort, problems: ProblemList): number | null {
  if (isUnixPath(spec.address)) return 0;
  const { targetPort, name } = port;
  const named = typeof targetPort === "string" ? own(spec.ports, targetPort) : undefined;
  const number = named ?? own(spec.ports, name) ?? (typeof targetPort === "number" ? targetPort : undefined);
  if (number !== undefined) return number;
  problems.add({
    code: "REFERENCE",
    severity: "warning",
    resource: owner,
    position: spec.position,
    path: `${path}.ports`,
    message: `a Service that selects it sends port ${port.number} to the named port ${targetPort}: add ports.${targetPort}`,
  });
  return null;
}

/** Clusters that do not resolve names need addresses, and those that do need names or addresses. */
function isReachable({ owner, spec, path }: Described, service: LinkedService, problems: ProblemList): boolean {
  const isUnix = isUnixPath(spec.address);
  const isNamed = service.discovery === "dns";
  if (isUnix ? !isNamed : isNamed || ipFamily(spec.address) !== 0) return true;
  problems.add({
    code: "VALUE",
    severity: "warning",
    resource: owner,
    position: spec.position,
    path: `${path}.address`,
    message: isUnix
      ? `${service.host} resolves names, so the Unix socket ${spec.address} gets no requests; use resolution: STATIC`
      : `${service.host} does not resolve names, so ${spec.address} gets no requests; ` +
        "write an IP address, or describe the service by a ServiceEntry with resolution: DNS",
  });
  return false;
}

interface WorkloadIndex {
  select(namespace: string, selector: Labels | null): readonly WorkloadEntry[];
}

/** By namespace and label, so that a selector looks only at entries that have its first label. */
function indexByLabel(entries: readonly WorkloadEntry[]): WorkloadIndex {
  const byLabel = new Map<string, WorkloadEntry[]>();
  const keyOf = (namespace: string, name: string, value: string): string => `${namespace}/${name}=${value}`;
  for (const entry of entries) {
    for (const [name, value] of Object.entries(workloadLabels(entry))) {
      getOrCreate(byLabel, keyOf(entry.namespace, name, value), () => []).push(entry);
    }
  }
  return {
    select(namespace, selector) {
      // An empty selector selects nothing: Kubernetes takes it for a Service without selector.
      const [first] = Object.entries(selector ?? {});
      if (selector === null || first === undefined) return [];
      const withFirst = byLabel.get(keyOf(namespace, ...first)) ?? [];
      return withFirst.filter((entry) => selects(selector, workloadLabels(entry)));
    },
  };
}

function own(ports: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(ports, name) ? ports[name] : undefined;
}
