// SPDX-License-Identifier: Apache-2.0
// Small decoded resources for tests: what a test does not say has the decoder's default.

import type {
  DestinationRule,
  EndpointSlice,
  Endpoints,
  Gateway,
  HttpMatch,
  HttpRule,
  Labels,
  Position,
  ProxyIdentity,
  Resource,
  ResourceKind,
  RouteDestination,
  Service,
  ServiceEntry,
  ServicePort,
  Subset,
  VirtualService,
  WorkloadEntry,
  WorkloadSpec,
} from "../../../../src/model/index.ts";
import { unknownWorkload } from "../../../../src/model/index.ts";
import type { CompileOptions } from "../../../../src/config/link/options.ts";

type Given<Kind extends ResourceKind> = Partial<Omit<Extract<Resource, { kind: Kind }>, "kind">>;

export const identity: ProxyIdentity = {
  workload: { ...unknownWorkload, workload: "naru", namespace: "default", cluster: "Kubernetes" },
  labels: { istio: "ingressgateway", app: "naru" },
  namespace: "default",
  clusterDomain: "cluster.local",
};

export const gatewayOptions: CompileOptions = { identity, gateway: true, mesh: null };
export const meshOptions: CompileOptions = { identity, gateway: false, mesh: { bind: "127.0.0.1", port: 15_001 } };

export function at(line: number): Position {
  return { file: "test.yaml", line, column: 1 };
}

/** Fully qualified host of a service; the namespace is `default` unless given. */
export function fqdn(name: string, namespace = "default"): string {
  return `${name}.${namespace}.svc.cluster.local`;
}

export function gateway(given: Given<"Gateway"> = {}): Gateway {
  return {
    ...base("Gateway", "gw", given),
    selector: { istio: "ingressgateway" },
    servers: [server()],
    ...given,
  };
}

export function server(hosts: readonly string[] = ["*"], port = 80, bind = ""): Gateway["servers"][number] {
  const split = hosts.map((text) => {
    const [left = "", right] = text.split("/");
    return right === undefined ? { namespace: "*", host: left } : { namespace: left, host: right };
  });
  return { position: at(1), port, portName: "http", protocol: "HTTP", bind, hosts: split };
}

export function virtualService(given: Given<"VirtualService"> = {}): VirtualService {
  return {
    ...base("VirtualService", "vs", given),
    hosts: ["*"],
    gateways: ["default/gw"],
    http: [],
    exportTo: ["*"],
    ...given,
  };
}

export function rule(given: Partial<HttpRule> = {}): HttpRule {
  return {
    position: at(10),
    name: "",
    match: [],
    route: [to("web")],
    timeoutMs: 0,
    retries: null,
    ...given,
  };
}

export function match(given: Partial<HttpMatch> = {}): HttpMatch {
  return {
    position: at(11),
    name: "",
    uri: null,
    ignoreUriCase: false,
    scheme: null,
    method: null,
    authority: null,
    headers: {},
    withoutHeaders: {},
    queryParams: {},
    port: null,
    gateways: null,
    sourceLabels: {},
    sourceNamespace: "",
    ...given,
  };
}

export function prefix(value: string, given: Partial<HttpMatch> = {}): HttpMatch {
  return match({ uri: { kind: "prefix", value }, ...given });
}

export function exact(value: string, given: Partial<HttpMatch> = {}): HttpMatch {
  return match({ uri: { kind: "exact", value }, ...given });
}

/** `name` without a dot is a service of namespace default. */
export function to(name: string, given: Partial<RouteDestination> = {}): RouteDestination {
  const host = name.includes(".") ? name : fqdn(name);
  return { position: at(12), host, subset: "", port: null, weight: 0, ...given };
}

export function destinationRule(given: Given<"DestinationRule"> = {}): DestinationRule {
  return {
    ...base("DestinationRule", "dr", given),
    host: fqdn("web"),
    trafficPolicy: null,
    subsets: [],
    exportTo: ["*"],
    ...given,
  };
}

export function subset(name: string, given: Partial<Subset> = {}): Subset {
  return { position: at(20), name, labels: { version: name }, trafficPolicy: null, ...given };
}

export function service(name: string, given: Given<"Service"> = {}): Service {
  return {
    ...base("Service", name, given),
    type: "ClusterIP",
    selector: null,
    ports: [servicePort()],
    clusterIPs: [],
    externalName: "",
    loadBalancer: null,
    ...given,
  };
}

export function servicePort(port = 80, name = "http", given: Partial<ServicePort> = {}): ServicePort {
  return { name, port, targetPort: port, protocol: "TCP", appProtocol: "", ...given };
}

export function serviceEntry(given: Given<"ServiceEntry"> = {}): ServiceEntry {
  return {
    ...base("ServiceEntry", "se", given),
    hosts: ["api.example.com"],
    ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 80 }],
    location: "MESH_EXTERNAL",
    resolution: "DNS",
    endpoints: [],
    workloadSelector: null,
    exportTo: ["*"],
    ...given,
  };
}

export function workloadSpec(address: string, given: Partial<WorkloadSpec> = {}): WorkloadSpec {
  return { position: at(30), address, ports: {}, labels: {}, locality: "", weight: 0, serviceAccount: "", ...given };
}

export function workloadEntry(
  name: string,
  address: string,
  labels: Labels,
  spec: Partial<WorkloadSpec> = {},
): WorkloadEntry {
  return { ...base("WorkloadEntry", name, {}), spec: workloadSpec(address, { labels, ...spec }) };
}

export function slice(name: string, given: Given<"EndpointSlice"> = {}): EndpointSlice {
  return {
    ...base("EndpointSlice", name, given),
    service: "web",
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: [],
    ...given,
  };
}

export function sliceEndpoint(
  address: string,
  given: Partial<EndpointSlice["endpoints"][number]> = {},
): EndpointSlice["endpoints"][number] {
  return {
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    zone: "",
    pod: "",
    node: "",
    ...given,
  };
}

export function endpoints(name: string, given: Given<"Endpoints"> = {}): Endpoints {
  return { ...base("Endpoints", name, given), subsets: [], ...given };
}

/** Stands where a resource of this age would: tests that care about age give `order` or `createdMs`. */
function base<Kind extends ResourceKind>(kind: Kind, name: string, given: { readonly order?: number }) {
  return {
    kind,
    name,
    namespace: "default",
    labels: {},
    createdMs: null,
    order: given.order ?? 0,
    position: at(1),
  } as const;
}
