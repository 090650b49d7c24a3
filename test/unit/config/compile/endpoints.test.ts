// SPDX-License-Identifier: Apache-2.0
// Where endpoints come from, which of them a subset gets, and what their workloads are called.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileEndpoints } from "../../../../src/config/compile/compile-endpoints.ts";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import { workloadOfPod } from "../../../../src/config/compile/workload-identity.ts";
import { unknownWorkload, type EndpointSnapshot, type Problem, type Resource } from "../../../../src/model/index.ts";
import {
  destinationRule,
  endpoints,
  fqdn,
  meshOptions,
  service,
  serviceEntry,
  servicePort,
  slice,
  sliceEndpoint,
  subset,
  workloadEntry,
  workloadSpec,
} from "./builders.ts";

const web = `outbound|80||${fqdn("web")}`;
const api = "outbound|80||api.example.com";

function compile(...resources: readonly Resource[]): { endpoints: EndpointSnapshot; problems: readonly Problem[] } {
  return compileEndpoints(resources, compileRouting(resources, meshOptions).routing, meshOptions);
}

/** `address:port`, with `!` when not ready and `*weight` when it is not 1. */
function listed(cluster: string, ...resources: readonly Resource[]): string[] {
  const found = compile(...resources).endpoints.endpoints.get(cluster) ?? [];
  return found.map(
    ({ address, port, ready, weight }) => `${address}:${port}${ready ? "" : "!"}${weight === 1 ? "" : `*${weight}`}`,
  );
}

function summary(problems: readonly Problem[]): string[] {
  return problems.map(({ code, severity, resource, path }) => `${severity} ${code} ${resource?.name} ${path}`);
}

describe("endpoints of Kubernetes Services", () => {
  it("of one workload have one identity between them, because there are many and they are kept", () => {
    const pods = ["web-7d9c6b5f4-bcdfg", "web-7d9c6b5f4-hjklm", "shop-7d9c6b5f4-bcdfg"];
    const items = pods.map((pod, index) => sliceEndpoint(`10.0.0.${index + 1}`, { pod }));
    const found = compile(service("web"), slice("a", { endpoints: items })).endpoints.endpoints.get(web) ?? [];
    const [first, second, other] = found.map(({ workload }) => workload);
    assert.equal(first, second);
    assert.deepEqual([first?.workload, other?.workload], ["web", "shop"]);
  });

  it("come from all slices of the service, by port name, each address and port once", () => {
    const ports = [
      { name: "metrics", port: 9090 },
      { name: "http", port: 8080 },
    ];
    const resources = [
      service("web"),
      slice("a", {
        order: 1,
        ports,
        endpoints: [sliceEndpoint("10.0.0.1"), sliceEndpoint("10.0.0.2", { ready: false })],
      }),
      slice("b", {
        order: 2,
        endpoints: [
          sliceEndpoint("10.0.0.1"),
          sliceEndpoint("10.0.0.2"),
          sliceEndpoint("10.0.0.3", { ready: false, terminating: true }),
        ],
      }),
      slice("v6", { order: 3, addressType: "IPv6", endpoints: [sliceEndpoint("fd00::1")] }),
      slice("elsewhere", { namespace: "other", endpoints: [sliceEndpoint("10.9.0.1")] }),
      slice("of-another", { service: "api", endpoints: [sliceEndpoint("10.9.0.2")] }),
      slice("names", { addressType: "FQDN", endpoints: [sliceEndpoint("example.com")] }),
      slice("other-port", { ports: [{ name: "metrics", port: 9090 }], endpoints: [sliceEndpoint("10.9.0.3")] }),
    ];
    assert.deepEqual(listed(web, ...resources), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080!", "fd00::1:8080"]);
  });

  it("come from Endpoints only where no slice exists", () => {
    const legacy = endpoints("web", {
      subsets: [
        {
          addresses: [{ ip: "10.0.0.1", pod: "", node: "" }],
          notReadyAddresses: [{ ip: "10.0.0.2", pod: "", node: "" }],
          ports: [{ name: "http", port: 8080 }],
        },
        {
          addresses: [{ ip: "10.0.0.3", pod: "", node: "" }],
          notReadyAddresses: [],
          ports: [{ name: "metrics", port: 9090 }],
        },
      ],
    });
    assert.deepEqual(listed(web, service("web"), legacy), ["10.0.0.1:8080", "10.0.0.2:8080!"]);
    assert.deepEqual(listed(web, service("web"), legacy, slice("a")), []);
  });

  it("include the WorkloadEntries that the selector selects in the same namespace", () => {
    const resources = [
      service("web", { selector: { app: "web" }, ports: [servicePort(80, "http", { targetPort: 8080 })] }),
      workloadEntry("one", "10.0.0.1", { app: "web", version: "v1" }),
      workloadEntry("two", "10.0.0.2", { app: "web" }, { weight: 5, ports: { http: 9000 } }),
      { ...workloadEntry("labelled", "10.0.0.3", {}), labels: { app: "web" } },
      { ...workloadEntry("away", "10.9.0.1", { app: "web" }), namespace: "other" },
      workloadEntry("other-app", "10.9.0.2", { app: "api" }),
    ];
    assert.deepEqual(listed(web, ...resources), ["10.0.0.3:8080", "10.0.0.1:8080", "10.0.0.2:9000*5"]);
  });

  it("resolve a named target port by the WorkloadEntry's ports, and report one that is missing", () => {
    const resources = [
      service("web", { selector: { app: "web" }, ports: [servicePort(80, "http", { targetPort: "web-port" })] }),
      workloadEntry("a", "10.0.0.1", { app: "web" }, { ports: { "web-port": 8080, http: 1 } }),
      workloadEntry("b", "10.0.0.2", { app: "web" }, { ports: { http: 8081 } }),
      workloadEntry("c", "10.0.0.3", { app: "web" }),
    ];
    assert.deepEqual(listed(web, ...resources), ["10.0.0.1:8080", "10.0.0.2:8081"]);
    assert.deepEqual(summary(compile(...resources).problems), ["warning REFERENCE c spec.ports"]);
  });

  it("leave out WorkloadEntries with a name for an address, and say what to do", () => {
    const resources = [
      service("web", { selector: { app: "web" } }),
      workloadEntry("a", "a.example.com", { app: "web" }),
    ];
    assert.deepEqual(listed(web, ...resources), []);
    assert.deepEqual(summary(compile(...resources).problems), ["warning VALUE a spec.address"]);
  });

  it("are the external name of an ExternalName", () => {
    const external = service("web", {
      type: "ExternalName",
      externalName: "example.com",
      ports: [servicePort(80, "http", { targetPort: 8080 })],
    });
    assert.deepEqual(listed(web, external), ["example.com:80"]);
  });
});

describe("endpoints of ServiceEntries", () => {
  const ports = [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }];

  it("are its inline endpoints with their own ports", () => {
    const entry = serviceEntry({
      ports,
      resolution: "STATIC",
      endpoints: [workloadSpec("10.0.0.1"), workloadSpec("10.0.0.2", { ports: { http: 9000 }, weight: 3 })],
    });
    assert.deepEqual(listed(api, entry), ["10.0.0.1:8080", "10.0.0.2:9000*3"]);
  });

  it("are the host itself when it resolves by DNS and lists none", () => {
    assert.deepEqual(listed(api, serviceEntry({ ports })), ["api.example.com:8080"]);
    const named = serviceEntry({ ports, endpoints: [workloadSpec("eu.example.com")] });
    assert.deepEqual(listed(api, named), ["eu.example.com:8080"]);
  });

  it("are the WorkloadEntries it selects", () => {
    const entry = serviceEntry({ ports, resolution: "STATIC", workloadSelector: { app: "api" } });
    const workload = workloadEntry("vm", "10.0.0.7", { app: "api" });
    assert.deepEqual(listed(api, entry, workload), ["10.0.0.7:8080"]);
    assert.deepEqual(listed(api, serviceEntry({ ports, resolution: "STATIC", workloadSelector: {} }), workload), []);
  });
});

describe("subsets", () => {
  const v1 = `outbound|80|v1|${fqdn("web")}`;

  it("choose by the labels of workloads and of slices", () => {
    const resources = [
      service("web", { selector: { app: "web" }, ports: [servicePort(80, "http", { targetPort: 8080 })] }),
      destinationRule({ subsets: [subset("v1"), subset("all", { labels: {} })] }),
      workloadEntry("one", "10.0.0.1", { app: "web", version: "v1" }),
      workloadEntry("two", "10.0.0.2", { app: "web", version: "v2" }),
      slice("s1", { labels: { version: "v1" }, endpoints: [sliceEndpoint("10.0.1.1")] }),
      slice("s2", { labels: { version: "v2" }, endpoints: [sliceEndpoint("10.0.1.2")] }),
    ];
    assert.deepEqual(listed(v1, ...resources), ["10.0.1.1:8080", "10.0.0.1:8080"]);
    assert.equal(listed(`outbound|80|all|${fqdn("web")}`, ...resources).length, 4);
    assert.deepEqual(compile(...resources).problems, []);
  });

  it("that select nothing are reported where they stand, if the service has endpoints at all", () => {
    const rule = destinationRule({ subsets: [subset("v1")] });
    const { problems } = compile(service("web"), rule, slice("s", { endpoints: [sliceEndpoint("10.0.0.1")] }));
    assert.deepEqual(summary(problems), ["warning REFERENCE dr spec.subsets[0].labels"]);
    assert.equal(problems[0]?.position.line, 20);
    assert.match(problems[0].message, /version=v1.*EndpointSlice itself/);
    assert.deepEqual(compile(service("web"), rule).problems, []);
  });
});

describe("workload identity", () => {
  function identityOf(labels: Readonly<Record<string, string>>, pod = "") {
    const resources = [service("web"), slice("s", { labels, endpoints: [sliceEndpoint("10.0.0.1", { pod })] })];
    return compile(...resources).endpoints.endpoints.get(web)?.[0]?.workload;
  }

  it("reads Istio's labels in their order of precedence", () => {
    assert.deepEqual(
      identityOf({
        "service.istio.io/workload-name": "web-v1",
        "service.istio.io/canonical-name": "shop",
        "service.istio.io/canonical-revision": "r1",
        "app.kubernetes.io/name": "n",
        "app.kubernetes.io/version": "nv",
        app: "web",
        version: "v1",
      }),
      {
        workload: "web-v1",
        namespace: "default",
        principal: "unknown",
        app: "web",
        version: "v1",
        cluster: "Kubernetes",
        canonicalService: "shop",
        canonicalRevision: "r1",
      },
    );
    const kubernetes = identityOf({ "app.kubernetes.io/name": "n", "app.kubernetes.io/version": "nv", app: "web" });
    assert.deepEqual([kubernetes?.canonicalService, kubernetes?.canonicalRevision], ["n", "nv"]);
    const plain = identityOf({ app: "web", version: "v1" });
    assert.deepEqual([plain?.canonicalService, plain?.canonicalRevision], ["web", "v1"]);
  });

  it("falls back to the pod's owner, and to nothing known at all", () => {
    const pod = identityOf({}, "reviews-v1-545db77b95-x2x4k");
    assert.deepEqual([pod?.workload, pod?.canonicalService, pod?.app], ["reviews-v1", "reviews-v1", "unknown"]);
    assert.equal(pod?.canonicalRevision, "latest");
    assert.deepEqual(identityOf({}), unknownWorkload);
    assert.deepEqual(identityOf({ app: "", version: "" }), unknownWorkload);
  });

  const pods = [
    ["reviews-v1-545db77b95-x2x4k", "reviews-v1"],
    ["fluentd-x2x4k", "fluentd"],
    ["mysql-0", "mysql"],
    ["mysql-12", "mysql"],
    ["standalone", "standalone"],
    ["my-db", "my-db"],
  ] as const;
  for (const [pod, workload] of pods) {
    it(`takes pod ${pod} for ${workload}`, () => assert.equal(workloadOfPod(pod), workload));
  }

  it("is the WorkloadEntry's name when its labels say nothing", () => {
    const resources = [service("web", { selector: { run: "x" } }), workloadEntry("vm-1", "10.0.0.1", { run: "x" })];
    assert.equal(compile(...resources).endpoints.endpoints.get(web)?.[0]?.workload.workload, "vm-1");
  });
});
