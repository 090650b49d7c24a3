// SPDX-License-Identifier: Apache-2.0
// When the loop builds, and what it publishes for which change.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createConfigLoop, type ConfigLoop } from "../../../../src/config/index.ts";
import type { EndpointSnapshot, Problem, RoutingSnapshot } from "../../../../src/model/index.ts";
import type { LogFields, Logger } from "../../../../src/telemetry/port.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { gatewayOptions } from "../compile/builders.ts";

const gatewayYaml = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: ["*"]
  gateways: [gw]
  http:
  - match:
    - uri: { prefix: /app }
    route:
    - destination: { host: web }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports:
  - { name: http, port: 80 }
`;

function workload(name: string, address: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name} }
spec:
  address: ${address}
  labels: { app: web }
`;
}

interface Started {
  readonly clock: FakeClock;
  readonly loop: ConfigLoop;
  /** What was published, oldest first: `routing`, `endpoints`, `problems`. */
  readonly published: string[];
  readonly routings: RoutingSnapshot[];
  readonly endpoints: EndpointSnapshot[];
  readonly problems: (readonly Problem[])[];
  readonly logs: LogFields[];
  readonly put: (files: Readonly<Record<string, string>>, problems?: readonly Problem[]) => void;
  /** What was published since the last call. */
  readonly take: () => string[];
  /** Resolves when so many routings have been published. */
  readonly next: (routings: number) => Promise<void>;
}

/** `followed`: somebody works from the resources themselves. */
function start({ followed = false } = {}): Started {
  const clock = new FakeClock();
  const logs: LogFields[] = [];
  const [routings, endpoints, problems]: [RoutingSnapshot[], EndpointSnapshot[], (readonly Problem[])[]] = [[], [], []];
  const published: string[] = [];
  const options = { ...gatewayOptions, holdOffMs: 100, maxHoldOffMs: 1000 };
  let wake = (): void => undefined;
  const loop = createConfigLoop({ clock, logger: captureLogger(logs) }, options, {
    routing(snapshot) {
      published.push("routing");
      routings.push(snapshot);
      wake();
    },
    endpoints(snapshot) {
      published.push("endpoints");
      endpoints.push(snapshot);
    },
    problems(found) {
      published.push("problems");
      problems.push(found);
    },
    ...(followed ? { resources: (found) => published.push(`resources:${found.length}`) } : {}),
  });
  return {
    clock,
    loop,
    published,
    routings,
    endpoints,
    problems,
    logs,
    put: (files, found = []) =>
      void loop.onFiles(
        Object.entries(files).map(([path, text]) => ({ path, text })),
        found,
      ),
    take: () => published.splice(0),
    next: async (count) => {
      while (routings.length < count) await new Promise<void>((resolve) => (wake = resolve));
      // What belongs to the same build is published in the same turn.
      await new Promise(setImmediate);
    },
  };
}

function captureLogger(logs: LogFields[]): Logger {
  const write = (message: string, fields: LogFields = {}): void => void logs.push({ message, ...fields });
  const logger: Logger = {
    scope: "config",
    enabled: () => true,
    trace: write,
    debug: write,
    info: write,
    warning: write,
    error: write,
    child: () => logger,
  };
  return logger;
}

function addresses(snapshot: EndpointSnapshot | undefined): string[] {
  return [...(snapshot?.endpoints.values() ?? [])].flat().map(({ address }) => address);
}

describe("config loop: what is published", () => {
  it("builds at once when the source has synced, even from nothing", () => {
    const { put, take, clock, logs } = start();
    put({});
    assert.deepEqual(take(), ["routing", "endpoints", "problems"]);
    assert.equal(clock.pending, 0);
    assert.equal(logs.length, 1);
  });

  it("publishes only endpoints when only endpoints changed", () => {
    const { put, take, clock, routings, endpoints, logs } = start();
    put({ "a.yaml": gatewayYaml, "b.yaml": workload("one", "10.0.0.1") });
    take();
    put({ "a.yaml": gatewayYaml, "b.yaml": `${workload("one", "10.0.0.1")}---${workload("two", "10.0.0.2")}` });
    clock.advance(100);
    assert.deepEqual(take(), ["endpoints"]);
    assert.deepEqual(addresses(endpoints.at(-1)), ["10.0.0.1", "10.0.0.2"]);
    assert.equal(routings.length, 1);
    assert.equal(logs.at(-1)?.["changed"], "endpoints");
    assert.equal(logs.at(-1)?.["compiled"], "endpoints");
    assert.equal(logs.at(-1)?.["endpoints"], 2);
  });

  it("leaves routes alone when a file before theirs gets another endpoint", () => {
    const { put, clock, logs } = start();
    put({ "a.yaml": workload("one", "10.0.0.1"), "b.yaml": gatewayYaml });
    put({ "a.yaml": `${workload("one", "10.0.0.1")}---${workload("two", "10.0.0.2")}`, "b.yaml": gatewayYaml });
    clock.advance(100);
    assert.equal(logs.at(-1)?.["compiled"], "endpoints");
  });

  const announced = `
---
apiVersion: v1
kind: Service
metadata: {name: vip, annotations: {metallb.io/allow-shared-ip: a}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: p}
spec: {addresses: [10.0.0.0/24]}`;
  const announcerChanges: readonly (readonly [what: string, from: string, to: string, count: number])[] = [
    ["a pool", "10.0.0.0/24", "10.0.1.0/24", 0],
    ["one pool more", "10.0.0.0/24]}", "10.0.0.0/24]}\n---\n{apiVersion: v1, kind: Node, metadata: {name: n}}", 1],
    ["an annotation of a Service", "ip: a}", "ip: b}", 0],
    ["the addresses of a Service", "port: 80}]}", "port: 80}], loadBalancerIP: 10.0.0.1}", 0],
  ];
  for (const [what, from, to, more] of announcerChanges) {
    it(`leaves routes alone when ${what} changes, which only the announcer reads`, () => {
      const { put, take, clock, logs } = start({ followed: true });
      put({ "a.yaml": gatewayYaml + announced });
      const count = Number(take().at(-1)?.replace("resources:", ""));
      put({ "a.yaml": gatewayYaml + announced.replace(from, to) });
      clock.advance(100);
      assert.deepEqual(take(), [`resources:${count + more}`]);
      assert.equal(logs.at(-1)?.["compiled"], "nothing");
      // What came after is compared with what is there now.
      put({ "a.yaml": gatewayYaml.replace("/app", "/other") + announced.replace(from, to) });
      clock.advance(100);
      assert.deepEqual(take(), ["routing", `resources:${count + more}`]);
    });
  }

  it("compiles routes anew when a port of a Service of type LoadBalancer changes", () => {
    const { put, clock, logs } = start();
    put({ "a.yaml": gatewayYaml + announced });
    put({ "a.yaml": gatewayYaml + announced.replace("port: 80", "port: 81") });
    clock.advance(100);
    assert.equal(logs.at(-1)?.["compiled"], "all");
  });

  it("publishes only routing when only routing changed", () => {
    const { put, take, clock, routings } = start();
    put({ "a.yaml": gatewayYaml, "b.yaml": workload("one", "10.0.0.1") });
    take();
    put({ "a.yaml": gatewayYaml.replace("/app", "/other"), "b.yaml": workload("one", "10.0.0.1") });
    clock.advance(100);
    assert.deepEqual(take(), ["routing"]);
    assert.notEqual(routings[0]?.version, routings[1]?.version);
  });

  it("publishes endpoints, too, when a route reaches a new cluster", () => {
    const { put, take, clock } = start();
    put({ "a.yaml": gatewayYaml.replace("host: web", "host: gone"), "b.yaml": workload("one", "10.0.0.1") });
    take();
    put({ "a.yaml": gatewayYaml, "b.yaml": workload("one", "10.0.0.1") });
    clock.advance(100);
    assert.deepEqual(take(), ["routing", "endpoints", "problems"]);
  });

  it("publishes nothing for a comment, a touched file or a document that is not read", () => {
    const { put, take, clock, logs } = start();
    put({ "a.yaml": gatewayYaml });
    take();
    for (const text of [
      `# comment\n${gatewayYaml}`,
      gatewayYaml,
      `${gatewayYaml}---\napiVersion: v1\nkind: Secret\n`,
    ]) {
      put({ "a.yaml": text });
      clock.advance(100);
      assert.deepEqual(take(), []);
      assert.equal(logs.at(-1)?.["changed"], "nothing");
    }
    assert.equal(logs.at(-1)?.["ignored"], "Secret:1");
  });

  it("names the lines where problems are now", () => {
    const { put, take, clock, problems } = start();
    const broken = gatewayYaml.replace("host: web", "host: gone");
    put({ "a.yaml": broken });
    assert.deepEqual(
      problems.at(-1)?.map(({ position }) => position.line),
      [21],
    );
    take();
    put({ "a.yaml": `# comment\n${broken}` });
    clock.advance(100);
    assert.deepEqual(take(), ["problems"]);
    assert.deepEqual(
      problems.at(-1)?.map(({ position }) => position.line),
      [22],
    );
  });

  it("keeps the last good version of a resource that became invalid", () => {
    const { put, take, clock, routings, problems } = start();
    put({ "a.yaml": gatewayYaml });
    take();
    put({ "a.yaml": gatewayYaml.replace("prefix: /app", "prefix: 7") });
    clock.advance(100);
    assert.deepEqual(take(), ["problems"]);
    assert.deepEqual(
      problems.at(-1)?.map(({ severity }) => severity),
      ["error"],
    );
    assert.equal(routings.length, 1);
  });

  it("drops what is removed", () => {
    const { put, clock, routings } = start();
    put({ "a.yaml": gatewayYaml });
    put({});
    clock.advance(100);
    assert.equal(routings.at(-1)?.listeners.length, 0);
  });

  it("takes resources of earlier files for older", () => {
    const { put, routings } = start();
    const second = gatewayYaml.split("---")[1]!.replace("name: web", "name: a-later").replace("/app", "/later");
    put({ "a.yaml": gatewayYaml, "b.yaml": second });
    const routes = routings.at(-1)?.routeTables.get("http.80")?.hosts[0]?.routes;
    assert.deepEqual(
      routes?.map(({ origin }) => origin.resource.name),
      ["web", "a-later"],
    );
  });

  it("passes the source's problems on", () => {
    const { put, problems } = start();
    const position = { file: "gone.yaml", line: 1, column: 1 };
    const unreadable: Problem = {
      code: "FILE_UNREADABLE",
      severity: "error",
      position,
      resource: null,
      path: "",
      message: "gone",
    };
    put({}, [unreadable]);
    assert.deepEqual(problems.at(-1), [unreadable]);
  });
});

describe("config loop: a file that is emptied", () => {
  it("changes nothing, the order of files included", () => {
    const { put, take, problems, clock } = start();
    const other = gatewayYaml.split("---")[1]!.replace("name: web", "name: other").replace("/app", "/other");
    put({ "a.yaml": other, "b.yaml": gatewayYaml });
    take();
    const position = { file: "a.yaml", line: 1, column: 1 };
    const empty: Problem = {
      code: "FILE_EMPTY",
      severity: "warning",
      position,
      resource: null,
      path: "",
      message: "empty",
    };
    put({ "a.yaml": "", "b.yaml": gatewayYaml }, [empty]);
    clock.advance(100);
    assert.deepEqual(take(), ["problems"]);
    assert.deepEqual(problems.at(-1)?.[0], empty);
  });
});

describe("config loop: when it builds", () => {
  const version = (number: number): Record<string, string> => ({
    "a.yaml": gatewayYaml.replace("/app", `/v${number}`),
  });

  it("waits until a burst of changes is over", () => {
    const { put, take, clock, logs } = start();
    put(version(0));
    take();
    for (let change = 1; change <= 5; change++) {
      put(version(change));
      clock.advance(99);
    }
    assert.deepEqual(take(), []);
    clock.advance(1);
    assert.deepEqual(take(), ["routing"]);
    assert.equal(logs.length, 2);
    assert.equal(clock.pending, 0);
  });

  it("builds a second after the first change, however many follow", () => {
    const { put, take, clock } = start();
    put(version(0));
    take();
    const startMs = clock.nowMs();
    let change = 1;
    while (take().length === 0 && change < 100) {
      put(version(change++));
      clock.advance(50);
    }
    assert.equal(clock.nowMs() - startMs, 1000);
  });

  it("takes what came during a build in another process when that is over, and only the newest", async () => {
    const { put, clock, routings, loop, logs, next } = start();
    const large = (number: number) => ({ ...version(number), "padding.yaml": `# ${"x".repeat(70_000)}` });
    const built = () => logs.filter(({ message }) => message === "configuration built").length;
    try {
      put(large(0));
      await next(1);
      put(large(1));
      clock.advance(100);
      for (const number of [2, 3]) {
        put(large(number));
        clock.advance(100);
      }
      await next(3);
      assert.equal(built(), 3);
      const [prefix] = [...routings.at(-1)!.routeTables.values()].flatMap(({ hosts }) =>
        hosts.flatMap(({ routes }) => routes.map(({ match }) => match.uri)),
      );
      assert.deepEqual(prefix, { kind: "prefix", value: "/v3" });
      assert.equal(clock.pending, 0);
    } finally {
      await loop.close();
    }
  });

  it("waits until a burst is over although a build ended in the middle of it", async () => {
    const { put, clock, routings, loop, next } = start();
    const large = (number: number) => ({ ...version(number), "padding.yaml": `# ${"x".repeat(70_000)}` });
    const prefixes = () =>
      routings.map(({ routeTables }) =>
        [...routeTables.values()].flatMap(({ hosts }) =>
          hosts.flatMap(({ routes }) => routes.map(({ match }) => match.uri?.kind === "prefix" && match.uri.value)),
        ),
      );
    try {
      put(large(0));
      await next(1);
      put(large(1));
      clock.advance(100);
      put(large(2));
      clock.advance(100);
      put(large(3));
      await next(2);
      put(large(4));
      clock.advance(100);
      await next(3);
      assert.deepEqual(prefixes(), [["/v0"], ["/v1"], ["/v4"]]);
    } finally {
      await loop.close();
    }
  });

  it("publishes nothing of a build that is under way when it is closed, and calls it no failure", async () => {
    const { put, take, clock, loop, logs, next } = start();
    put({ ...version(0), "padding.yaml": `# ${"x".repeat(70_000)}` });
    await next(1);
    take();
    logs.length = 0;
    put(version(1));
    clock.advance(100);
    await loop.close();
    await new Promise(setImmediate);
    assert.deepEqual([take(), logs], [[], []]);
  });

  it("forgets a change that is waiting when it is closed", () => {
    const { put, take, clock, loop } = start();
    put(version(0));
    take();
    put(version(1));
    void loop.close();
    put(version(2));
    clock.advance(10_000);
    assert.deepEqual(take(), []);
    assert.equal(clock.pending, 0);
  });

  it("goes on under the last configuration when a consumer throws, says so, and tries again", async () => {
    const clock = new FakeClock();
    const logs: LogFields[] = [];
    let isBroken = false;
    const seen: string[] = [];
    const loop = createConfigLoop(
      { clock, logger: captureLogger(logs) },
      { ...gatewayOptions, holdOffMs: 100, maxHoldOffMs: 1000 },
      {
        routing(snapshot) {
          if (isBroken) throw new Error("consumer failed");
          seen.push(snapshot.version);
        },
        endpoints: () => undefined,
        problems: () => undefined,
      },
    );
    const put = (files: Record<string, string>): void =>
      void loop.onFiles(
        Object.entries(files).map(([path, text]) => ({ path, text })),
        [],
      );
    put(version(0));
    isBroken = true;
    put(version(1));
    clock.advance(100);
    await Promise.resolve();
    assert.equal(logs.at(-1)?.["error"], "consumer failed");
    isBroken = false;
    clock.advance(9_999);
    assert.equal(seen.length, 1);
    clock.advance(1);
    assert.equal(seen.length, 2);
    assert.equal(clock.pending, 0);
  });
});
