// SPDX-License-Identifier: Apache-2.0
// Every field that Istio and Kubernetes have in the kinds we read is known: never UNKNOWN_FIELD. Unserved ones are said.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { core, decode, istio } from "./decoding.ts";
import { metallb } from "./metallb/documents.ts";

interface Case {
  readonly name: string;
  readonly text: string;
  /** Paths below the document that must be reported as unserved. */
  readonly unserved: readonly string[];
}

const rule = (fields: string): string =>
  istio("VirtualService", `hosts: [a]\nhttp:\n- route: [{destination: {host: a}, headers: {}}]\n${fields}`);
const policy = (fields: string): string => istio("DestinationRule", `host: a\ntrafficPolicy:\n${fields}`);
const server = (fields: string): string =>
  istio(
    "Gateway",
    `selector: {a: b}\nservers:\n- port: {number: 80, name: http, protocol: HTTP, targetPort: 81}\n  hosts: ["*"]\n${fields}`,
  );

const cases: readonly Case[] = [
  {
    name: "VirtualService",
    text: istio(
      "VirtualService",
      `hosts: [a]\ngateways: [mesh]\nexportTo: ["*"]\ntls: [{}]\ntcp: [{}]\nhttp: [{route: [{destination: {host: a}}]}]`,
    ),
    unserved: ["spec.tls", "spec.tcp"],
  },
  {
    name: "HTTPRoute",
    text: rule(`  name: n
  match: [{name: m, uri: {exact: /}, scheme: {exact: http}, method: {exact: GET}, authority: {exact: a}, headers: {a: {}}, port: 80, sourceLabels: {a: b}, gateways: [mesh], queryParams: {a: {exact: b}}, ignoreUriCase: true, withoutHeaders: {b: {}}, sourceNamespace: ns, statPrefix: p}]
  timeout: 1s
  retries: {attempts: 1, perTryTimeout: 1s, retryOn: 5xx, retryRemoteLocalities: true, retryIgnorePreviousHosts: false, backoff: 1s}
  redirect: {}
  directResponse: {}
  delegate: {}
  rewrite: {}
  fault: {}
  mirror: {}
  mirrors: [{}]
  mirrorPercentage: {}
  mirrorPercent: 1
  corsPolicy: {}
  headers: {}`),
    unserved: [
      "spec.http[0].route[0].headers",
      "spec.http[0].match[0].statPrefix",
      "spec.http[0].retries.retryRemoteLocalities",
      "spec.http[0].retries.retryIgnorePreviousHosts",
      "spec.http[0].redirect",
      "spec.http[0].directResponse",
      "spec.http[0].delegate",
      "spec.http[0].rewrite",
      "spec.http[0].fault",
      "spec.http[0].mirror",
      "spec.http[0].mirrors",
      "spec.http[0].corsPolicy",
      "spec.http[0].headers",
    ],
  },
  {
    name: "Gateway",
    text: server("  bind: 10.0.0.1\n  tls: {}\n  name: n\n  defaultEndpoint: 127.0.0.1:80"),
    unserved: ["spec.servers[0].port.targetPort", "spec.servers[0].defaultEndpoint"],
  },
  {
    name: "DestinationRule",
    text: istio(
      "DestinationRule",
      "host: a\nsubsets: [{name: v1, labels: {v: v1}, trafficPolicy: {}}]\nexportTo: [.]\nworkloadSelector: {matchLabels: {a: b}}",
    ),
    unserved: ["spec.workloadSelector"],
  },
  {
    name: "TrafficPolicy",
    text: policy(`  loadBalancer: {consistentHash: {}, localityLbSetting: {}, zoneAwareLbSetting: {}, warmup: {}, warmupDurationSecs: 1s}
  outlierDetection: {}
  tls: {mode: SIMPLE}
  tunnel: {}
  proxyProtocol: {}
  retryBudget: {}
  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}, connectionPool: {}, outlierDetection: {}, tls: {mode: MUTUAL}}]
  connectionPool:
    tcp: {maxConnections: 1, connectTimeout: 1s, tcpKeepalive: {}, maxConnectionDuration: 1s, idleTimeout: 1s}
    http: {http1MaxPendingRequests: 1, http2MaxRequests: 1, maxRequestsPerConnection: 1, maxRetries: 1, idleTimeout: 1s, h2UpgradePolicy: UPGRADE, useClientProtocol: true, maxConcurrentStreams: 1, http2KeepAlive: {}}`),
    unserved: [
      "spec.trafficPolicy.loadBalancer.consistentHash",
      "spec.trafficPolicy.loadBalancer.localityLbSetting",
      "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting",
      "spec.trafficPolicy.loadBalancer.warmup",
      "spec.trafficPolicy.loadBalancer.warmupDurationSecs",
      "spec.trafficPolicy.outlierDetection",
      "spec.trafficPolicy.tls",
      "spec.trafficPolicy.tunnel",
      "spec.trafficPolicy.proxyProtocol",
      "spec.trafficPolicy.retryBudget",
      "spec.trafficPolicy.portLevelSettings[0].outlierDetection",
      "spec.trafficPolicy.portLevelSettings[0].tls",
      "spec.trafficPolicy.connectionPool.tcp.tcpKeepalive",
      "spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration",
      "spec.trafficPolicy.connectionPool.tcp.idleTimeout",
      "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy",
      "spec.trafficPolicy.connectionPool.http.useClientProtocol",
      "spec.trafficPolicy.connectionPool.http.maxConcurrentStreams",
      "spec.trafficPolicy.connectionPool.http.http2KeepAlive",
    ],
  },
  {
    name: "ServiceEntry",
    text: istio(
      "ServiceEntry",
      "hosts: [a.b]\naddresses: [240.0.0.1]\nports: [{number: 80, protocol: HTTP, name: http, targetPort: 81}]\nlocation: MESH_INTERNAL\nresolution: STATIC\nendpoints: [{address: 10.0.0.1, ports: {http: 81}, labels: {a: b}, network: n, locality: r/z, weight: 2, serviceAccount: sa}]\nexportTo: [.]\nsubjectAltNames: [a]",
    ),
    unserved: ["spec.addresses", "spec.endpoints[0].network"],
  },
  {
    name: "Service",
    text: core(
      "Service",
      "spec: {type: LoadBalancer, selector: {a: b}, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], externalName: '', ports: [{name: http, port: 80, targetPort: web, protocol: TCP, appProtocol: http, nodePort: 30000}], publishNotReadyAddresses: true, sessionAffinity: ClientIP, sessionAffinityConfig: {}, trafficDistribution: PreferClose, allocateLoadBalancerNodePorts: true, externalIPs: [], externalTrafficPolicy: Local, healthCheckNodePort: 1, internalTrafficPolicy: Cluster, ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, loadBalancerClass: x, loadBalancerIP: 1.1.1.1, loadBalancerSourceRanges: []}\nstatus: {loadBalancer: {ingress: [{ip: 1.1.1.1, hostname: h, ipMode: VIP, ports: []}]}, conditions: []}",
    ),
    unserved: ["spec.publishNotReadyAddresses", "spec.sessionAffinity", "spec.trafficDistribution"],
  },
  {
    name: "EndpointSlice",
    text: "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4\nports: [{name: http, port: 80, protocol: TCP, appProtocol: http}]\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: false}, hostname: h, nodeName: n, zone: z, targetRef: {kind: Pod, name: p, namespace: d, uid: u}, hints: {}, deprecatedTopology: {}}]",
    unserved: [],
  },
  {
    name: "Endpoints",
    text: core(
      "Endpoints",
      "subsets: [{addresses: [{ip: 10.0.0.1, hostname: h, nodeName: n, targetRef: {kind: Pod, name: p}}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 80, protocol: TCP, appProtocol: http}]}]",
    ),
    unserved: [],
  },
  {
    name: "Namespace",
    text: core("Namespace", "spec: {finalizers: [kubernetes]}\nstatus: {phase: Active}"),
    unserved: [],
  },
];

const selectorFields = "[{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [b]}]}]";
const adFields = `ipAddressPools: [a], ipAddressPoolSelectors: ${selectorFields}, nodeSelectors: ${selectorFields}, serviceSelectors: ${selectorFields}`;

const announcerCases: readonly Case[] = [
  {
    name: "Node",
    text: core(
      "Node",
      "spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24], configSource: {}, externalID: x, providerID: x, taints: [], unschedulable: true}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.1}], conditions: [{type: Ready, status: 'True', reason: r, message: m, lastHeartbeatTime: t, lastTransitionTime: t, observedGeneration: 1}], allocatable: {}, capacity: {}, config: {}, daemonEndpoints: {}, declaredFeatures: [], features: {}, images: [], nodeInfo: {}, phase: Running, runtimeHandlers: [], volumesAttached: [], volumesInUse: []}",
    ),
    unserved: [],
  },
  {
    name: "Secret",
    text: core(
      "Secret",
      "type: kubernetes.io/basic-auth\nimmutable: true\ndata: {username: eA==, password: eA==, other: '?'}\nstringData: {}",
    ),
    unserved: [],
  },
  {
    name: "IPAddressPool",
    text: metallb(
      "IPAddressPool",
      `{addresses: [10.0.0.0/24], autoAssign: true, avoidBuggyIPs: true, serviceAllocation: {priority: 1, namespaces: [a], namespaceSelectors: ${selectorFields}, serviceSelectors: ${selectorFields}}}\nstatus: {assignedIPv4: 1}`,
    ),
    unserved: [],
  },
  {
    name: "L2Advertisement",
    text: metallb(
      "L2Advertisement",
      `{${adFields}, interfaces: [eth0], preferredNodeSelectors: [{weight: 1, preference: {}}]}\nstatus: {}`,
    ),
    unserved: [],
  },
  {
    name: "BGPAdvertisement",
    text: metallb(
      "BGPAdvertisement",
      `{${adFields}, aggregationLength: 32, aggregationLengthV6: 128, localPref: 1, communities: [a], peers: [p]}`,
    ),
    unserved: [],
  },
  {
    name: "BGPPeer",
    text: metallb(
      "BGPPeer",
      `{myASN: 1, peerASN: 2, dynamicASN: external, localASN: 3, peerAddress: 10.0.0.1, interface: eth0, sourceAddress: 10.0.0.2, peerPort: 179, holdTime: 90s, keepaliveTime: 30s, connectTime: 10s, routerID: 1.1.1.1, nodeSelectors: ${selectorFields}, password: p, passwordSecret: {name: a, namespace: b}, bfdProfile: b, enableGracefulRestart: true, ebgpMultiHop: true, vrf: red, disableMP: true, dualStackAddressFamily: true}`,
    ),
    unserved: ["spec.localASN", "spec.interface", "spec.vrf"],
  },
  {
    name: "BFDProfile",
    text: metallb(
      "BFDProfile",
      "{receiveInterval: 10, transmitInterval: 10, detectMultiplier: 3, echoInterval: 50, echoMode: true, passiveMode: true, minimumTtl: 254}",
    ),
    unserved: ["spec.echoMode"],
  },
  { name: "Community", text: metallb("Community", "{communities: [{name: a, value: '1:2'}]}"), unserved: [] },
];

describe("known fields", () => {
  for (const { name, text, unserved } of [...cases, ...announcerCases]) {
    it(name, () => {
      const { problems } = decode(text);
      const messages = problems
        .filter(({ code }) => code === "UNKNOWN_FIELD" || code === "TYPE")
        .map(({ path }) => path);
      assert.deepEqual(messages, []);
      const found = problems.filter(({ code }) => code === "UNSERVED_FIELD").map(({ path }) => path);
      assert.deepEqual(found.toSorted(), unserved.toSorted());
    });
  }
});
