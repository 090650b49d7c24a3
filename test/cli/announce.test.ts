// SPDX-License-Identifier: Apache-2.0
// `naru announce` and `naru vips` without privilege: what BGP alone needs. Layer 2 is in test/network/.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { suite, test } from "node:test";
import { parse } from "yaml";

import type { LiveVips } from "../../src/roles/announce/live-vips.ts";
import type { Vip } from "../../src/roles/announce/vips.ts";
import { runNaru, startNaru, type RunningNaru } from "./support/run-naru.ts";
import { openWorkspace, type Workspace } from "./support/workspace.ts";

const example = fileURLToPath(new URL("../../examples/announce", import.meta.url));
const freePorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];

function poolYaml(name: string, range: string): string {
  return `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: ${name}, namespace: metallb-system}
spec: {addresses: [${range}]}
`;
}

/** To a router that is not there. */
const bgpYaml = `apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: all, namespace: metallb-system}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router, namespace: metallb-system}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 127.0.0.1, peerPort: 1, password: never-shown}
`;

function serviceYaml(name: string, annotations = ""): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, annotations: {${annotations}}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;
}

interface Announcer {
  readonly naru: RunningNaru;
  readonly admin: string;
  readonly page: (path: string) => Promise<string>;
  readonly vips: () => Promise<LiveVips>;
}

async function startAnnouncer(space: Workspace, ...options: readonly string[]): Promise<Announcer> {
  const naru = startNaru(["announce", "-f", space.folder, "--node", "n1", ...freePorts, ...options]);
  await naru.waitFor("stderr", / announcing /);
  const [, admin = ""] = await naru.waitFor("stderr", /admin=(\d+)/);
  const page = async (path: string) => (await fetch(`http://127.0.0.1:${admin}${path}`)).text();
  return {
    naru,
    admin: `127.0.0.1:${admin}`,
    page,
    vips: async () => JSON.parse(await page("/vips?format=json")) as LiveVips,
  };
}

suite("naru vips", { concurrency: 2 }, () => {
  test("says who gets which address and how it is announced, as table, JSON and YAML", async () => {
    const [table, json, yaml] = await Promise.all(
      ["table", "json", "yaml"].map((output) => runNaru(["vips", "-f", example, "-o", output])),
    );
    assert.ok(table !== undefined && json !== undefined && yaml !== undefined);
    assert.deepEqual([table.code, json.code, yaml.code, table.stderr], [0, 0, 0, ""]);
    assert.match(table.stdout, /^default\/shop +192\.168\.1\.240 +lan +layer2 +\(any\)$/m);
    const vips = JSON.parse(json.stdout) as Vip[];
    assert.deepEqual(parse(yaml.stdout), vips);
    assert.deepEqual(
      vips.map(({ service, addresses, pool, layer2, bgp }) => [service, addresses, pool, layer2 !== null, bgp?.peers]),
      [
        ["default/shop", ["192.168.1.240"], "lan", true, undefined],
        ["default/api", ["198.51.100.0"], "routed", false, ["router"]],
        ["default/mail", ["192.168.1.250"], "lan", true, undefined],
      ],
    );
  });

  test("names the nodes that files describe, and says why a service is not announced", async () => {
    await using space = await openWorkspace();
    const node = (name: string, labels: string) =>
      `---\napiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {${labels}}}\nstatus: {conditions: [{type: Ready, status: "True"}]}\n`;
    await space.write(
      "bgp.yaml",
      bgpYaml.replace("peerPort: 1,", "peerPort: 1, nodeSelectors: [{matchLabels: {edge: 'yes'}}],"),
    );
    await space.write("pool.yaml", poolYaml("lan", "10.0.0.1-10.0.0.1"));
    await space.write("nodes.yaml", node("a", "edge: 'yes'") + node("b", ""));
    await space.write("services.yaml", serviceYaml("first") + serviceYaml("second"));
    const { code, stdout } = await runNaru(["vips", space.folder]);
    assert.equal(code, 1);
    assert.match(stdout, /^default\/first +10\.0\.0\.1 +lan +bgp +a +router$/m);
    assert.match(stdout, /^default\/second +- +- +- +- +no IPv4 address is free in lan$/m);
  });

  test("needs either files or a running announcer", async () => {
    const [both, neither, nobody, wrong] = await Promise.all([
      runNaru(["vips", "-f", example, "--admin", "127.0.0.1:1"]),
      runNaru(["vips"]),
      runNaru(["vips", "--admin", "127.0.0.1:1"]),
      runNaru(["vips", "--admin", "nowhere"]),
    ]);
    assert.deepEqual([both.code, neither.code, nobody.code, wrong.code], [2, 2, 1, 2]);
    assert.match(
      nobody.stderr,
      /^naru: no answer from 127\.0\.0\.1:1: .*ECONNREFUSED.*\nIs 'naru announce' running there\?/,
    );
  });
});

suite("naru announce", { concurrency: 2 }, () => {
  test("by BGP alone runs without privilege, shows what it does, follows its files and stops", async () => {
    await using space = await openWorkspace();
    await space.write("bgp.yaml", bgpYaml);
    await space.write("pool.yaml", poolYaml("lan", "10.0.0.0/24"));
    await space.write("services.yaml", serviceYaml("shop"));
    const { naru, admin, page, vips } = await startAnnouncer(space);
    await using _ = naru;

    const shown = await vips();
    assert.deepEqual([shown.node, shown.state, shown.stale], ["n1", "LIVE", false]);
    assert.deepEqual(shown.vips, [
      {
        service: "default/shop",
        addresses: ["10.0.0.0"],
        pool: "lan",
        layer2: null,
        bgp: { nodes: ["n1"], peers: ["router"] },
        note: null,
      },
    ]);
    assert.deepEqual(shown.serviceBGPStatuses, [
      { node: "n1", serviceNamespace: "default", serviceName: "shop", peers: ["router"] },
    ]);
    assert.deepEqual(shown.serviceL2Statuses, []);
    assert.equal(shown.bgpPeers[0]?.state === "Established", false);
    const asked = await runNaru(["vips", "--admin", admin]);
    assert.equal(asked.code, 0);
    assert.match(asked.stdout, /^default\/shop +10\.0\.0\.0 +lan +bgp +n1 +router$/m);
    assert.match(asked.stdout, /^router +127\.0\.0\.1:1 /m);

    const metrics = await page("/metrics");
    for (const line of [
      'metallb_allocator_addresses_total{pool="lan"} 256',
      'metallb_allocator_addresses_in_use_total{pool="lan"} 1',
      'metallb_speaker_announced{service="default/shop",protocol="bgp",node="n1",ip="10.0.0.0"} 1',
      'metallb_bgp_session_up{peer="127.0.0.1:1"} 0',
      "metallb_k8s_client_config_loaded_bool 1",
      "metallb_k8s_client_config_stale_bool 0",
    ]) {
      assert.ok(metrics.includes(`${line}\n`), line);
    }
    const dump = await page("/config_dump");
    assert.match(dump, /"name": "router"/);
    assert.doesNotMatch(dump + (await page("/vips?format=json")) + naru.stderr(), /never-shown/);

    await space.write("services.yaml", serviceYaml("shop") + serviceYaml("more"));
    await naru.waitFor("stderr", /service is announced +service=default\/more addresses=10\.0\.0\.1 /);
    // Read before the others, so that it has the lowest address now.
    await space.write("a.yaml", serviceYaml("earlier"));
    const moved = /service has another address; .* service=default\/shop addresses=10\.0\.0\.1 before=10\.0\.0\.0/;
    await naru.waitFor("stderr", moved);
    naru.process.kill("SIGTERM");
    const { code, stdout } = await naru.ended;
    assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
  });

  test("keeps pools as they were while they contradict each other, and still takes services", async () => {
    await using space = await openWorkspace();
    await space.write("bgp.yaml", bgpYaml);
    await space.write("pool.yaml", poolYaml("lan", "10.0.0.0/24"));
    await space.write("services.yaml", serviceYaml("shop"));
    const { naru, page, vips } = await startAnnouncer(space);
    await using _ = naru;
    // The file is read before the others, so its pool counts as the older one.
    await space.write("a.yaml", poolYaml("wide", "10.0.0.0/16"));
    await naru.waitFor("stderr", /problem in the configuration .*overlaps/);
    await space.write("services.yaml", serviceYaml("shop") + serviceYaml("more"));
    await naru.waitFor("stderr", /service is announced +service=default\/more addresses=10\.0\.0\.1 /);
    const { stale, vips: shown } = await vips();
    assert.deepEqual([stale, shown.map(({ pool }) => pool)], [true, ["lan", "lan"]]);
    assert.match(await page("/metrics"), /^metallb_k8s_client_config_stale_bool 1$/m);

    await space.write("pool.yaml", poolYaml("lan", "10.1.0.0/24"));
    await naru.waitFor("stderr", /service is announced +service=default\/shop addresses=10\.1\.0\.0 /);
    assert.equal((await vips()).stale, false);
  });

  test("refuses what cannot work, and says what to do", async () => {
    await using space = await openWorkspace();
    const l2 = `apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: lan, namespace: metallb-system}\n`;
    const file = await space.write("l2.yaml", `${l2}${poolYaml("lan", "10.0.0.0/24")}`);
    const key = await space.write("key", "short\n");
    const run = async (...args: readonly string[]) => runNaru(["announce", "-f", file, ...freePorts, ...args]);
    // A few at a time: each is a process that has to start.
    const [noFfi, shortKey, missing] = await Promise.all([
      runNaru(["announce", "-f", file, ...freePorts], { NODE_OPTIONS: "--no-experimental-ffi" }),
      run("--key-file", key),
      runNaru(["announce", "-f", "nowhere", ...freePorts]),
    ]);
    const [noKey, label, pattern, listen, twice, passive] = await Promise.all([
      run("--peers", "10.0.0.2"),
      run("--node-labels", "edge"),
      run("--exclude-interfaces", "("),
      run("--bgp-listen", "x:y"),
      run("--bgp-listen", "127.0.0.1:179", "--bgp-listen", "127.0.0.2:179"),
      run("--bgp-passive"),
    ]);
    assert.deepEqual([noFfi.code, shortKey.code, missing.code], [1, 1, 1]);
    assert.match(
      noFfi.stderr,
      /naru: an L2Advertisement is there, but .*node:ffi.*\nAnnouncing by BGP alone needs neither/,
    );
    assert.match(shortKey.stderr, /key 1 is shorter than 32 characters.*\nMake one with 'openssl rand -hex 32'/);
    assert.doesNotMatch(shortKey.stderr, /\bshort\b/);
    assert.match(missing.stderr, /naru: nowhere: /);
    for (const { code, stderr } of [noKey, label, pattern, listen, twice, passive]) {
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^naru: --/);
    }
    assert.match(noKey.stderr, /--peers needs --key-file/);
    assert.match(passive.stderr, /--bgp-passive needs --bgp-listen/);
  });
});
