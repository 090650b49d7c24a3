// SPDX-License-Identifier: Apache-2.0
// Configuration changes five times a second under full load: no request is lost, none is answered by a version that is
// over, and broken files change nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lostRequests, startLoad, type LoadAnswer } from "../support/load.ts";
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

const versions = 36;
const changePeriodMs = 200;
/** Versions whose files cannot be used: the one before stays in force. */
const isBroken = (version: number) => version % 9 === 5;
const hasSecondPort = (version: number) => version % 4 < 2;

test(
  "reloading under load loses no request and never routes by a version that is over",
  { timeout: 30_000 },
  async () => {
    const origins = await Promise.all(
      Array.from({ length: versions }, (_, version) => LoadOrigin.start({ version: String(version) })),
    );
    await using disposables = new AsyncDisposableStack();
    for (const origin of origins) disposables.use(origin);
    const files = disposables.use(await openGatewayFiles());
    const portOf = (version: number) => origins[version]!.port;
    await files.replace("routes.yaml", configOf(0, portOf));
    const log: string[] = [];
    const serving = await startGateway(files.folder, log);
    disposables.defer(() => serving.stop());

    /** The newest version whose files are written; nothing newer can be an answer. */
    let written = 0;
    /** The newest version that was seen in force; nothing older may be an answer to a later request. */
    let inForce = 0;
    const newest = new Map<number, number>();
    const checkVersion = (answer: LoadAnswer, { path }: { readonly path: string }, connection: number) => {
      if (answer.status !== 200) return `status ${answer.status} ${path} ${answer.body}`;
      const version = Number(answer.headers.get("x-version"));
      if (path.startsWith("/spread")) return version <= written ? null : `version ${version} before it was written`;
      const before = newest.get(connection) ?? 0;
      newest.set(connection, Math.max(before, version));
      if (version < before) return "an older version after a newer one";
      return version <= written ? null : `version ${version} before it was written`;
    };
    const paths = ["/app", "/spread", "/app/deep?x=1"];
    const request = (sequence: number) => ({ method: "GET", path: paths[sequence % paths.length]!, body: "" });
    await using main = startLoad({ port: () => boundPort(serving, 80), connections: 16, request, check: checkVersion });
    const seen = new Map<number, number>();
    await using second = startLoad({
      port: () => boundPort(serving, 81),
      connections: 4,
      mayBeRefused: true,
      request: () => ({ method: "GET", path: "/app", body: "" }),
      check: (answer, _, connection) => {
        const version = Number(answer.headers.get("x-version"));
        const before = seen.get(connection) ?? 0;
        seen.set(connection, version);
        if (answer.status !== 200) return `status ${answer.status}: ${answer.body}`;
        return version < before ? "an older version after a newer one" : null;
      },
    });

    for (let version = 1; version < versions; version++) {
      written = version;
      const config = isBroken(version) ? "kind: [" : configOf(version, portOf);
      // Both ways people change files; a reader may see the second one empty or cut off.
      if (version % 2 === 0) await files.replace("routes.yaml", config);
      else await files.overwrite("routes.yaml", config);
      if (version % 3 === 0) await files.replace("broken.yaml", "apiVersion: [");
      else if (version % 3 === 1 && version > 3) await files.remove("broken.yaml");
      await pause(changePeriodMs);
      inForce = Math.max(inForce, ...newest.values());
    }
    while (inForce < versions - 1) {
      await pause(20);
      inForce = Math.min(...newest.values());
    }
    await using oldest = startLoad({
      port: () => boundPort(serving, 80),
      connections: 16,
      requestsEach: 20,
      request: () => ({ method: "GET", path: "/app", body: "" }),
      check: (answer) => (answer.headers.get("x-version") === String(versions - 1) ? null : "a version that is over"),
    });
    const [mainResult, secondResult, lastResult] = await Promise.all([main.stop(), second.stop(), oldest.finished()]);

    assert.deepEqual(lostRequests(mainResult), {});
    assert.deepEqual(lostRequests(lastResult), {});
    assert.deepEqual(lostRequests(secondResult), {});
    assert.ok(mainResult.answered > 2_000, `${mainResult.answered} requests are not a load`);
    assert.equal(mainResult.connectionsOpened, 16, "reloading closes no connection of a listener that stays");
    assert.ok(secondResult.closesAnnounced >= 4, "a listener that goes announces it");
    const builds = log.filter((line) => /configuration built .*changed=\S*routing/.test(line)).length;
    assert.ok(builds > versions / 3, `${builds} changes of the routes took effect`);
  },
);

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
