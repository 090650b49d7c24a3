// SPDX-License-Identifier: Apache-2.0
// The configuration of a large cluster, as files: for measuring what it costs in memory.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface LargeConfig {
  readonly services: number;
  readonly endpoints: number;
  readonly routes: number;
}

const servicesPerFile = 100;

/** Services with their endpoints and a VirtualService each, a hundred to a file. */
export function writeLargeConfig(folder: string, { services, endpoints, routes }: LargeConfig): void {
  writeFileSync(join(folder, "gateway.yaml"), gateway);
  for (let first = 0; first < services; first += servicesPerFile) {
    const documents = Array.from({ length: Math.min(servicesPerFile, services - first) }, (_, offset) =>
      application(first + offset, endpoints / services, routes / services),
    );
    writeFileSync(join(folder, `services-${first}.yaml`), documents.join("---\n"));
  }
}

/** Whether this is the log of a gateway that serves all of it. */
export function servesAll(log: string, { services, endpoints, routes }: LargeConfig): boolean {
  return log.includes(`routes=${routes} clusters=${services} endpoints=${endpoints} errors=0`);
}

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts: ["*"]
`;

function application(index: number, endpoints: number, routes: number): string {
  const name = `service-${index}`;
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
  labels:
    app: ${name}
spec:
  selector:
    app: ${name}
  ports:
  - name: http
    port: 80
    targetPort: 8080
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-abcde
  labels:
    kubernetes.io/service-name: ${name}
addressType: IPv4
ports:
- name: http
  port: 8080
endpoints:
${Array.from({ length: endpoints }, (_, pod) => endpoint(index, pod)).join("")}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${name}
spec:
  hosts:
  - ${name}.example.com
  gateways:
  - edge
  http:
${Array.from({ length: routes }, (_, route) => rule(name, route, routes)).join("")}`;
}

function endpoint(index: number, pod: number): string {
  return `- addresses:
  - 10.${index >> 8}.${index & 255}.${pod + 1}
  conditions:
    ready: true
  targetRef:
    kind: Pod
    name: service-${index}-7d9c6b5f4-${pod}
    namespace: default
`;
}

function rule(service: string, route: number, routes: number): string {
  const match = `  - match:
    - uri:
        prefix: /api/v${route}/
`;
  const destination = `route:
    - destination:
        host: ${service}
        port:
          number: 80
`;
  return route === routes - 1 ? `  - ${destination}` : `${match}    ${destination}`;
}
