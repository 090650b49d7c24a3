// SPDX-License-Identifier: Apache-2.0
// Configuration changes five times a second under full load: no request is lost, none is answered by a version that is
// over, and broken files change nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lostRequests, startLoad, type LoadAnswer, type LoadRequest } from "../support/load.ts";
import { LoadOrigin } from "../support/load-origin.ts";
import { get } from "../support/messages.ts";
import { endpoint, ProxyUnderTest, route, webCluster } from "../support/proxy-under-test.ts";
import {
  boundPort,
  gatewayYaml,
  openGatewayFiles,
  routesYaml,
  serviceYaml,
  startGateway,
  yamlFile,
} from "./support/gateway.ts";
import { pause } from "./support/pause.ts";

const changePeriodMs = 200;
/** Versions whose files cannot be used: the one before stays in force. */
const isBroken = (version: number) => version % 9 === 5;
const hasSecondPort = (version: number) => version % 4 < 2;
/** `/spread` also goes to what the two versions before went to. */
const spreadVersions = 2;

/** Which versions may answer: none from before what was known to be in force when the request was sent. */
class VersionCheck {
  /** The newest version whose files are written; nothing newer can be an answer. */
  written = 0;
  /** The newest version that was seen. */
  newest = 0;
  readonly #threads: number;
  /** The newest version that was seen, by connection; with one thread it is in force for all of them. */
  readonly #seen = new Map<number, number>();
  readonly #floors = new WeakMap<LoadRequest, number>();

  constructor(threads: number) {
    this.#threads = threads;
  }

  request(path: string): LoadRequest {
    const request = { method: "GET", path, body: "" };
    this.#floors.set(request, this.newest);
    return request;
  }

  /** What is wrong with an answer, or null. */
  judge(answer: LoadAnswer, request: LoadRequest, connection: number): string | null {
    if (answer.status !== 200) return `status ${answer.status} ${request.path} ${answer.body}`;
    const version = Number(answer.headers.get("x-version"));
    if (version > this.written) return `version ${version} before it was written`;
    const seen = this.#seen.get(connection) ?? 0;
    const inForce = this.#threads === 1 ? this.#floors.get(request)! : seen;
    if (request.path === "/spread") {
      return version < inForce - spreadVersions ? this.#over(`spread to version ${version}`, inForce) : null;
    }
    if (isBroken(version)) return `version ${version}, which is no configuration`;
    if (version < inForce) return this.#over(`version ${version}`, inForce);
    this.#seen.set(connection, Math.max(seen, version));
    this.newest = Math.max(this.newest, version);
    return null;
  }

  #over(what: string, inForce: number): string {
    return `${what} while ${inForce} was in force and ${this.written} written, ${this.#threads} thread(s)`;
  }

  /** What the slowest of the connections has seen. */
  get seenByAll(): number {
    return Math.min(...this.#seen.values());
  }
}

for (const { threads, versions } of [
  { threads: 1, versions: 36 },
  { threads: 2, versions: 18 },
]) {
  test(
    `reloading ${threads} data-plane thread(s) under load loses no request and never routes by a version that is over`,
    { timeout: 90_000 },
    () => reloadUnderLoad(threads, versions),
  );
}

async function reloadUnderLoad(threads: number, versions: number): Promise<void> {
  const origins = await Promise.all(
    Array.from({ length: versions }, (_, version) => LoadOrigin.start({ version: String(version) })),
  );
  await using disposables = new AsyncDisposableStack();
  for (const origin of origins) disposables.use(origin);
  const files = disposables.use(await openGatewayFiles());
  const portOf = (version: number) => origins[version]!.port;
  await files.replace("routes.yaml", configOf(0, portOf));
  const log: string[] = [];
  const serving = await startGateway(files.folder, log, threads);
  disposables.defer(() => serving.stop());

  const main = new VersionCheck(threads);
  const paths = ["/app", "/spread", "/app/deep?x=1"];
  await using mainLoad = startLoad({
    port: () => boundPort(serving, 80),
    connections: 16,
    request: (sequence) => main.request(paths[sequence % paths.length]!),
    check: (answer, request, connection) => main.judge(answer, request, connection),
  });
  const second = new VersionCheck(threads);
  await using secondLoad = startLoad({
    port: () => boundPort(serving, 81),
    connections: 4,
    mayBeRefused: true,
    request: () => second.request("/app"),
    check: (answer, request, connection) => second.judge(answer, request, connection),
  });

  for (let version = 1; version < versions; version++) {
    main.written = second.written = version;
    const config = isBroken(version) ? "kind: [" : configOf(version, portOf);
    // Both ways people change files; a reader may see the second one empty or cut off.
    if (version % 2 === 0) await files.replace("routes.yaml", config);
    else await files.overwrite("routes.yaml", config);
    if (version % 3 === 0) await files.replace("broken.yaml", "apiVersion: [");
    else if (version % 3 === 1 && version > 3) await files.remove("broken.yaml");
    await pause(changePeriodMs);
    // On a busy machine the versions between would never be in force, and nothing would be known of them.
    while (!isBroken(version) && main.newest < version - 1) await pause(20);
  }
  while (main.seenByAll < versions - 1) await pause(20);
  await using last = startLoad({
    port: () => boundPort(serving, 80),
    connections: 16,
    requestsEach: 20,
    request: () => ({ method: "GET", path: "/app", body: "" }),
    check: (answer) => (answer.headers.get("x-version") === String(versions - 1) ? null : "a version that is over"),
  });
  const [mainResult, secondResult, lastResult] = await Promise.all([
    mainLoad.stop(),
    secondLoad.stop(),
    last.finished(),
  ]);

  assert.deepEqual(lostRequests(mainResult), {});
  assert.deepEqual(lostRequests(lastResult), {});
  // A client can meet the instant in which a port is closed: the kernel resets whom it has let in and naru has not.
  const refusals = secondResult.failures.filter(({ fresh, reason }) => fresh && reason === "ECONNRESET before a head");
  const failures = secondResult.failures.filter((failure) => !refusals.includes(failure));
  assert.deepEqual(lostRequests({ ...secondResult, failures }), {});
  const closings = log.filter((line) => line.includes("listener removed")).length;
  assert.ok(refusals.length <= closings, `${refusals.length} resets, but the port was closed ${closings} times`);
  assert.ok(mainResult.answered > 1_000, `${mainResult.answered} requests are not a load`);
  assert.equal(mainResult.connectionsOpened, 16, "reloading closes no connection of a listener that stays");
  assert.ok(secondResult.closesAnnounced >= 4, "a listener that goes announces it");
  const builds = log.filter((line) => /configuration built .*changed=\S*routing/.test(line)).length;
  assert.ok(builds > versions / 3, `${builds} changes of the routes took effect`);
}

test("a listener that is being bound when the next routes arrive serves those", async () => {
  await using origin = await LoadOrigin.start({ version: "new" });
  await using proxy = new ProxyUnderTest({});
  proxy.dataPlane.applyEndpoints({ version: "1", endpoints: new Map([[webCluster, [endpoint(origin.port)]]]) });
  const binding = proxy.dataPlane.applyRouting(proxy.snapshot([]));
  await proxy.dataPlane.applyRouting(proxy.snapshot([route({ uri: { kind: "prefix", value: "/" } })]));
  await binding;
  await using client = await proxy.connect();
  client.send(get());
  assert.match(await client.takeThrough("\r\n\r\n"), /^HTTP\/1\.1 200 [^]*x-version: new/);
});

function configOf(version: number, portOf: (version: number) => number): string {
  const current = `app-${version}.example`;
  const spread = [current, ...(version > 0 ? ["before.example"] : [])];
  const weights = version % 2 === 0 ? [70, 30] : [20, 80];
  const routes = new Map([
    ["/spread", spread.map((host, index) => ({ host, weight: spread.length === 1 ? 100 : weights[index]! }))],
    ["/app", [{ host: current, weight: 100 }]],
  ]);
  for (let extra = 0; extra < version % 5; extra++) routes.set(`/extra-${extra}`, [{ host: current, weight: 100 }]);
  return yamlFile(
    gatewayYaml(hasSecondPort(version) ? [80, 81] : [80]),
    routesYaml(routes),
    serviceYaml(current, [portOf(version)]),
    // Same name, other endpoints: pools stay with those that stay.
    serviceYaml("before.example", [portOf(Math.max(0, version - 1)), portOf(Math.max(0, version - 2))]),
  );
}
