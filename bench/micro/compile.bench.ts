// SPDX-License-Identifier: Apache-2.0
// Time to compile 1,000 and 10,000 rules over 1,000 services: it must be far below a second and grow with the rules.
// Run it with `node bench/micro/compile.bench.ts`.

import { compileEndpoints } from "../../src/config/compile/compile-endpoints.ts";
import { compileRouting } from "../../src/config/compile/compile-routing.ts";
import { decodeDocuments } from "../../src/config/decode/index.ts";
import type { CompileOptions } from "../../src/config/link/options.ts";
import { unknownWorkload } from "../../src/model/index.ts";

const serviceCount = 1_000;
const runs = 7;

const options: CompileOptions = {
  identity: {
    workload: unknownWorkload,
    labels: { istio: "ingressgateway" },
    namespace: "default",
    clusterDomain: "cluster.local",
  },
  gateway: true,
  mesh: { bind: "", port: 15_001 },
};

for (const ruleCount of [1_000, 10_000]) {
  const { resources } = decodeDocuments("bench.yaml", configuration(ruleCount), 0);
  const first = compileRouting(resources, options);
  const { endpoints } = compileEndpoints(resources, first.routing, options);
  verify(first.routing.clusters.size, endpoints.endpoints.size, first.problems.length);
  const routingMs = median(() => compileRouting(resources, options));
  const endpointsMs = median(() => compileEndpoints(resources, first.routing, options));
  console.log(
    `${ruleCount} rules, ${serviceCount} services: routing ${routingMs.toFixed(1)} ms, endpoints ${endpointsMs.toFixed(1)} ms`,
  );
}

/** A measurement of something that compiled to nothing would look very good. */
function verify(clusters: number, withEndpoints: number, problems: number): void {
  if (clusters !== serviceCount || withEndpoints !== serviceCount || problems !== 0) {
    throw new Error(
      `expected ${serviceCount} clusters with endpoints and no problems, got ${clusters}, ${withEndpoints}, ${problems}`,
    );
  }
}

function median(work: () => void): number {
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return times.toSorted((left, right) => left - right)[runs >> 1]!;
}

/** Ten rules to a VirtualService, each with two match blocks; every VirtualService has a host of its own. */
function configuration(ruleCount: number): string {
  const documents = [
    '{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"name":"gw"},"spec":{"selector":{"istio":"ingressgateway"},"servers":[{"port":{"number":80,"name":"http","protocol":"HTTP"},"hosts":["*"]}]}}',
  ];
  for (let index = 0; index < serviceCount; index++) documents.push(serviceDocument(index), sliceDocument(index));
  for (let index = 0; index < ruleCount / 10; index++) documents.push(virtualServiceDocument(index));
  return documents.join("\n---\n");
}

function serviceDocument(index: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `s${index}` },
    spec: { ports: [{ name: "http", port: 80 }] },
  });
}

function sliceDocument(index: number): string {
  const addresses = Array.from({ length: 3 }, (_, pod) => ({
    addresses: [`10.${index >> 8}.${index & 255}.${pod + 1}`],
  }));
  return JSON.stringify({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `s${index}`, labels: { "kubernetes.io/service-name": `s${index}`, app: `s${index}` } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: addresses,
  });
}

function virtualServiceDocument(index: number): string {
  const http = Array.from({ length: 10 }, (_, rule) => ({
    match: [{ uri: { prefix: `/r${rule}` } }, { uri: { exact: `/e${rule}` }, headers: { "x-user": { exact: "a" } } }],
    route: [{ destination: { host: `s${(index * 10 + rule) % serviceCount}`, port: { number: 80 } } }],
  }));
  return JSON.stringify({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: `vs${index}` },
    spec: { hosts: [`h${index}.example.com`], gateways: ["gw", "mesh"], http },
  });
}
