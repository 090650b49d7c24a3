// SPDX-License-Identifier: Apache-2.0
// Limits and wire policies from the command line to the data plane, on one thread and on several, and in explanations.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectRaw } from "../support/raw-peer.ts";
import { portsOf, runNaru, startNaru } from "./support/run-naru.ts";
import { gatewayYaml, openWorkspace, startOrigin } from "./support/workspace.ts";

const free = ["--listen", "80=127.0.0.1:0", "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
const options = [
  "--limit",
  "target-bytes=256",
  "--underscores",
  "reject",
  "--path-normalization",
  "MERGE_SLASHES",
  "--escaped-slashes",
  "reject",
];

async function exchange(port: number, target: string, header = ""): Promise<string> {
  await using client = await connectRaw(port);
  client.send(`GET ${target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${header}\r\n`);
  return await client.takeToEnd();
}

suite("limits", { concurrency: 2 }, () => {
  for (const threads of ["1", "2"]) {
    test(`reach the data plane with --concurrency ${threads}`, async () => {
      await using origin = await startOrigin((received, response) => void response.end(`got ${received.url}`));
      await using workspace = await openWorkspace();
      await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
      await using naru = startNaru(["gateway", "-f", workspace.folder, ...free, ...options, "--concurrency", threads]);
      const { gateway: port, stats } = await portsOf(naru);

      assert.match(await exchange(port, "/shop//cart"), /^HTTP\/1\.1 200 .*got \/shop\/cart/s);
      assert.match(await exchange(port, "/shop%2Fcart"), /^HTTP\/1\.1 400 /);
      assert.match(await exchange(port, `/shop/${"x".repeat(256)}`), /^HTTP\/1\.1 414 /);
      assert.match(await exchange(port, "/shop", "x_user: root\r\n"), /^HTTP\/1\.1 400 /);
      const metrics = await (await fetch(`http://127.0.0.1:${stats}/stats/prometheus`)).text();
      assert.match(metrics, /^naru_limit_hits_total\{limit="target-bytes"\} 1$/m);
      assert.match(metrics, /^naru_limit_hits_total\{limit="memory"\} 0$/m);
      assert.match(metrics, /^naru_underscore_headers_total 1$/m);
      assert.match(metrics, /^naru_overloaded 0$/m);
    });
  }

  test("naru routes explains with the same level of path normalization", async () => {
    const asked = [
      "routes",
      "istio-bookinfo/bookinfo-gateway.yaml",
      "--host",
      "shop.example",
      "--path",
      "/static//x.css",
    ];
    const pathOf = async (...more: string[]): Promise<unknown> => {
      const { stdout, stderr } = await runNaru([...asked, "-o", "json", ...more]);
      assert.notEqual(stdout, "", stderr);
      return (JSON.parse(stdout) as readonly { readonly request: { readonly path: string } }[])[0]?.request.path;
    };
    assert.equal(await pathOf(), "/static//x.css");
    assert.equal(await pathOf("--path-normalization", "MERGE_SLASHES"), "/static/x.css");
    asked[asked.length - 1] = "/static%2Fx.css";
    assert.equal(await pathOf("--escaped-slashes", "decode"), "/static/x.css");
  });

  test("naru help limits lists them", async () => {
    const { code, stdout } = await runNaru(["help", "limits"]);
    assert.equal(code, 0);
    assert.match(stdout, /^ {2}request-timeout +From the first byte/m);
  });
});
