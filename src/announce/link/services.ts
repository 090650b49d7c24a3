// SPDX-License-Identifier: Apache-2.0
// Services that want an address from us: what decides about it, and where their endpoints serve.

import type { LoadBalancerService, ProblemList, ResourcesByKind, Service } from "../../model/index.ts";
import type { AnnouncedService, ServingNodes } from "./types.ts";

/** Those of type LoadBalancer whose class is ours, oldest first. */
export function linkServices(
  resources: ResourcesByKind,
  loadBalancerClass: string,
  problems: ProblemList,
): readonly AnnouncedService[] {
  const serving = servingByService(resources);
  const namespaces = new Map(resources.Namespace.map(({ name, labels }) => [name, labels]));
  const pools = new Set(resources.IPAddressPool.map(({ name }) => name));
  const services: AnnouncedService[] = [];
  for (const service of resources.Service) {
    const { loadBalancer, namespace, labels } = service;
    if (loadBalancer === null || loadBalancer.loadBalancerClass !== loadBalancerClass) continue;
    const families = familiesOf(service, loadBalancer);
    if (loadBalancer.ipFamilyPolicy === "RequireDualStack" && families.length < 2) {
      reportLackingFamily(service, problems);
      continue;
    }
    reportUnknownPool(service, loadBalancer, pools, problems);
    const key = keyOf(namespace, service.name);
    const { externalTrafficPolicy, ipFamilyPolicy, sharingKey, requestedIPs, requestedPool, ingressIPs } = loadBalancer;
    services.push({
      key,
      sharingKey,
      backendKey: externalTrafficPolicy === "Local" ? `Local ${selectorText(service)}` : "",
      ports: service.ports.map(({ protocol, port }) => `${protocol}/${port}`),
      namespace,
      labels,
      // Every namespace has this label (Kubernetes 1.22), also one that no file describes.
      namespaceLabels: { "kubernetes.io/metadata.name": namespace, ...namespaces.get(namespace) },
      families,
      familyPolicy: ipFamilyPolicy ?? (families.length > 1 ? "RequireDualStack" : "SingleStack"),
      requested: requestedIPs,
      requestedPool,
      current: ingressIPs,
      trafficPolicy: externalTrafficPolicy,
      serving: serving.get(key) ?? null,
    });
  }
  return services;
}

/** The primary one first. Where no cluster has decided yet, what it would decide if it had both, IPv4 first. */
function familiesOf({ clusterIPs }: Service, { ipFamilies, ipFamilyPolicy }: LoadBalancerService): readonly (4 | 6)[] {
  const addresses = clusterIPs.filter((address) => address !== "None");
  if (addresses.length > 0) return [...new Set(addresses.map((address) => (address.includes(":") ? 6 : 4)))];
  const [primary = 4] = ipFamilies;
  if (ipFamilies.length > 1) return ipFamilies;
  const isDual = ipFamilyPolicy === "PreferDualStack" || ipFamilyPolicy === "RequireDualStack";
  return isDual ? [primary, primary === 4 ? 6 : 4] : [primary];
}

function selectorText({ selector }: Service): string {
  const parts = Object.entries(selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return parts.toSorted().join(",");
}

/** Of services that have slices or, without them, Endpoints. Of all others nobody says where they serve. */
function servingByService({ EndpointSlice, Endpoints }: ResourcesByKind): ReadonlyMap<string, ServingNodes> {
  const serving = new Map<string, { anywhere: boolean; readonly nodes: Set<string> }>();
  const entryOf = (key: string) => {
    const entry = serving.get(key) ?? { anywhere: false, nodes: new Set<string>() };
    serving.set(key, entry);
    return entry;
  };
  for (const { namespace, service, endpoints } of EndpointSlice) {
    if (service === "") continue;
    const entry = entryOf(keyOf(namespace, service));
    // One that is going but still answers counts (MetalLB): it keeps connections until the others are ready.
    for (const { ready, serving: isServing, node } of endpoints) if (ready || isServing) addTo(entry, node);
  }
  const sliced = new Set(serving.keys());
  for (const { namespace, name, subsets } of Endpoints) {
    if (sliced.has(keyOf(namespace, name))) continue;
    const entry = entryOf(keyOf(namespace, name));
    for (const { addresses } of subsets) for (const { node } of addresses) addTo(entry, node);
  }
  return serving;
}

function addTo(entry: { anywhere: boolean; readonly nodes: Set<string> }, node: string): void {
  entry.anywhere = true;
  if (node !== "") entry.nodes.add(node);
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function reportLackingFamily(service: Service, problems: ProblemList): void {
  const path = "spec.ipFamilyPolicy";
  const message = "the service requires addresses of both families and has a cluster IP of one; it gets no address";
  problems.add({ code: "CONFLICT", severity: "warning", resource: service, path, message });
}

function reportUnknownPool(
  service: Service,
  { requestedPool }: LoadBalancerService,
  pools: ReadonlySet<string>,
  problems: ProblemList,
): void {
  // Without any pool the services are somebody else's to serve.
  if (requestedPool === "" || pools.size === 0 || pools.has(requestedPool)) return;
  problems.add({
    code: "REFERENCE",
    severity: "warning",
    resource: service,
    path: 'metadata.annotations["metallb.io/address-pool"]',
    message: `there is no IPAddressPool ${requestedPool}, so the service gets no address`,
  });
}
