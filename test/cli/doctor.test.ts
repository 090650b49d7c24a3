// SPDX-License-Identifier: Apache-2.0
// `naru doctor` on this machine: what it says of files, ports and keys. Of other machines is in test/unit/roles/doctor/.

import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { suite, test } from "node:test";
import { parse } from "yaml";

import { runNaru, startNaru, type RunResult } from "./support/run-naru.ts";
import { openWorkspace, startOrigin } from "./support/workspace.ts";

const freePorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];

const bgpYaml = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: routed}
spec: {addresses: [198.51.100.0/30]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: routed}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: router}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 127.0.0.1, peerPort: 1}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`;

interface Answer {
  readonly ok: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly findings: readonly { readonly check: string; readonly status: string; readonly what: string }[];
}

function answerOf({ stdout }: RunResult): Answer {
  return JSON.parse(stdout) as Answer;
}

/** `status what` of one check. */
function saidBy(answer: Answer, check: string): readonly string[] {
  return answer.findings.filter((each) => each.check === check).map(({ status, what }) => `${status} ${what}`);
}

suite("naru doctor", { concurrency: 2 }, () => {
  test("needs no files, and finds no error on a machine that is asked for nothing", async () => {
    const [table, json, yaml] = await Promise.all(
      ["table", "json", "yaml"].map((output) => runNaru(["doctor", ...freePorts, "-o", output])),
    );
    assert.ok(table !== undefined && json !== undefined && yaml !== undefined);
    for (const { code, stderr } of [table, json, yaml]) assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const answer = answerOf(json);
    assert.deepEqual(parse(yaml.stdout), answer);
    assert.equal(answer.ok, true);
    assert.equal(saidBy(answer, "node:ffi")[0], `ok Node.js ${process.versions.node} has it`);
    assert.deepEqual(saidBy(answer, "files"), []);
    const rows = table.stdout.split("\n").filter((line) => /^(?:ok|info|warning|error) /.test(line));
    assert.equal(rows.length, answer.findings.length);
    assert.match(table.stdout, /\n0 errors, \d+ warnings?\n$/);
  });

  test("takes the command line of naru announce, and is content with what BGP needs", async () => {
    await using space = await openWorkspace();
    await space.write("bgp.yaml", bgpYaml);
    const key = await space.write("key", `${"k".repeat(40)}\n`);
    await chmod(key, 0o600);
    const options = ["--node", "a", "--key-file", key, "--heartbeat-bind", "127.0.0.1", "--heartbeat-port", "0"];
    const listen = ["--bgp-listen", "127.0.0.1:0"];
    const result = await runNaru(["doctor", "-f", space.folder, ...options, ...listen, ...freePorts, "-o", "json"]);
    const answer = answerOf(result);
    assert.deepEqual([result.code, answer.counts["error"]], [0, 0], result.stdout);
    assert.deepEqual(saidBy(answer, "keys"), [`ok ${key} can be read, by its owner only`]);
    assert.deepEqual(saidBy(answer, "announcements"), ["ok this node can announce every service that has an address"]);
    assert.match(
      saidBy(answer, "ports")[0]!,
      /^ok .*127\.0\.0\.1:0 \(BGP peers\), 127\.0\.0\.1:0 \(heartbeats\) can be had/,
    );
  });

  test("exit code 1 for a port that is taken, a file that is wrong and a key that is none", async () => {
    await using space = await openWorkspace();
    await using origin = await startOrigin((_, response) => response.end());
    await space.write("bgp.yaml", bgpYaml.replace("198.51.100.0/30", "198.51.100.0/33"));
    const taken = ["--bgp-listen", `127.0.0.1:${origin.port}`];
    const options = ["--key-file", `${space.folder}/none`, "--heartbeat-port", "0", ...taken, ...freePorts];
    const result = await runNaru(["doctor", space.folder, ...options, "-o", "json"]);
    const answer = answerOf(result);
    assert.deepEqual([result.code, answer.ok], [1, false]);
    assert.deepEqual(saidBy(answer, "ports"), [`error 127.0.0.1:${origin.port} is taken`]);
    assert.match(saidBy(answer, "keys")[0]!, /^error .*none: ENOENT/);
    assert.match(saidBy(answer, "files")[0]!, /^error .*bgp\.yaml:4:\d+ IPAddressPool\/default\/routed /);
    assert.match(saidBy(answer, "addresses")[0]!, /^error default\/shop: there is no IPAddressPool$/);
  });

  test("knows the announcer that runs here by its admin port", async () => {
    await using space = await openWorkspace();
    await space.write("bgp.yaml", bgpYaml);
    await using naru = startNaru(["announce", "-f", space.folder, ...freePorts]);
    const [, port = ""] = await naru.waitFor("stderr", /admin=(\d+)/);
    const ports = ["--admin-port", port, "--status-port", "0", "--stats-port", "0"];
    const answer = answerOf(await runNaru(["doctor", ...ports, "-o", "json"]));
    assert.deepEqual(saidBy(answer, "ports"), ["ok naru announce runs here and has them"]);
    assert.match(saidBy(answer, "announcer")[0]!, /^warning the session with BGPPeer router \(127\.0\.0\.1:1\) is /);
  });

  test("takes whoever else has the admin port for what it is", async () => {
    await using origin = await startOrigin((_, response) => response.end("hello"));
    const ports = ["--admin-port", String(origin.port), "--status-port", "0", "--stats-port", "0"];
    const result = await runNaru(["doctor", ...ports, "-o", "json"]);
    assert.equal(result.code, 1);
    assert.deepEqual(saidBy(answerOf(result), "ports"), [`error 127.0.0.1:${origin.port} is taken`]);
  });
});
