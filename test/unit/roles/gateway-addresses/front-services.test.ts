// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import { formatProblem, unknownWorkload, type ProxyIdentity } from "../../../../src/model/index.ts";
import { frontServices, listenerPort } from "../../../../src/roles/gateway-addresses/front-services.ts";

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}
`;
const service = (name: string, spec: string, namespace = "default"): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${spec}}
`;
const ours = "selector: {istio: ingressgateway}";
const web = "ports: [{port: 80}]";

const identity: ProxyIdentity = {
  workload: unknownWorkload,
  labels: { istio: "ingressgateway", app: "edge" },
  namespace: "default",
  clusterDomain: "cluster.local",
};

function found(yaml: string, loadBalancerClass = ""): readonly [readonly string[], readonly string[]] {
  const { resources } = decodeDocuments("all.yaml", yaml, 0);
  const { services, problems } = frontServices(resources, identity, loadBalancerClass);
  return [services.map(({ name }) => name), problems.map((problem) => `${problem.severity} ${formatProblem(problem)}`)];
}

suite("Services in front of a gateway", () => {
  test("are those of type LoadBalancer of its namespace and class whose selector is among its labels", () => {
    const all = [
      service("edge", `type: LoadBalancer, ${ours}, ${web}`),
      service("edge-too", `type: LoadBalancer, selector: {app: edge, istio: ingressgateway}, ${web}`),
      service("another", `type: LoadBalancer, selector: {app: shop}, ${web}`),
      service("no-selector", `type: LoadBalancer, ${web}`),
      service("inside", `${ours}, ${web}`),
      service("classed", `type: LoadBalancer, loadBalancerClass: example.com/lb, ${ours}, ${web}`),
      service("elsewhere", `type: LoadBalancer, ${ours}, ${web}`, "istio-system"),
    ].join("");
    assert.deepEqual(found(gateway + all), [["edge", "edge-too"], []]);
    assert.deepEqual(found(gateway + all, "example.com/lb"), [["classed"], []]);
  });

  test("that nearly are so tell what is amiss, at their line", () => {
    const nearly = (spec: string, namespace?: string) => found(gateway + service("edge", spec, namespace))[1][0] ?? "";
    const at = "warning all.yaml:9:1 Service";
    assert.match(
      nearly(`type: LoadBalancer, ${ours}, ${web}`, "istio-system"),
      new RegExp(`^${at}/istio-system/edge metadata\\.namespace: .* start it with --namespace istio-system `),
    );
    assert.match(nearly(`type: NodePort, ${ours}, ${web}`), new RegExp(`^${at}/default/edge spec\\.type: .*NodePort`));
    assert.match(
      nearly(`type: LoadBalancer, loadBalancerClass: example.com/lb, ${ours}, ${web}`),
      new RegExp(`^${at}/default/edge spec\\.loadBalancerClass: .* --lb-class example\\.com/lb `),
    );
  });

  test("that are not there are missed by the Gateway, which names the nearest one", () => {
    const missing = (yaml: string) => found(gateway + yaml)[1].at(-1) ?? "";
    const start =
      /^warning all\.yaml:1:1 Gateway\/default\/edge spec\.selector: no Service of type LoadBalancer .*istio=ingressgateway/;
    for (const yaml of ["", service("shop", `type: LoadBalancer, selector: {app: shop}, ${web}`)]) {
      assert.match(missing(yaml), start);
    }
    assert.match(missing(""), /there is none/);
    assert.match(
      missing(service("shop", `type: LoadBalancer, selector: {app: shop}, ${web}`)),
      /Service\/default\/shop \(all\.yaml:9\) selects app=shop/,
    );
  });

  test("and Gateways tell of ports that the other side does not have", () => {
    const ports =
      "ports: [{name: a, port: 8443}, {name: b, port: 8080, targetPort: 81}, {name: c, port: 53, protocol: UDP}]";
    const [, problems] = found(gateway + service("edge", `type: LoadBalancer, ${ours}, ${ports}`));
    assert.deepEqual(
      problems.map((problem) => problem.slice(0, problem.indexOf(", "))),
      [
        "warning all.yaml:7:5 Gateway/default/edge spec.servers[0].port: Service/default/edge has no port 80",
        "info all.yaml:9:1 Service/default/edge spec.ports[0].port: no Gateway of this process has the port 8443",
        "info all.yaml:9:1 Service/default/edge spec.ports[1].port: no Gateway of this process has the port 8080",
      ],
    );
  });

  test("lead to the Gateway's port of the same number, else to that of the pods", () => {
    const port = (number: number, targetPort: number | string, protocol: "TCP" | "UDP" = "TCP") => {
      return { name: "", port: number, targetPort, protocol, appProtocol: "" };
    };
    const listening = new Set([80, 8080]);
    assert.equal(listenerPort(port(80, 8080), listening), 80);
    assert.equal(listenerPort(port(443, 8080), listening), 8080);
    assert.equal(listenerPort(port(443, "http"), listening), null);
    assert.equal(listenerPort(port(443, 8443), listening), null);
    assert.equal(listenerPort(port(80, 8080, "UDP"), listening), null);
  });
});
