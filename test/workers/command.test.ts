// SPDX-License-Identifier: Apache-2.0
// `--concurrency` on the command line and as real processes.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { CliError, commandTable, parseCommandLine } from "../../src/cli/index.ts";
import { serveOptionsFrom } from "../../src/roles/serve-options.ts";
import { portsOf, startNaru } from "../cli/support/run-naru.ts";
import { gatewayYaml, openWorkspace, readText, startOrigin } from "../cli/support/workspace.ts";

const otherPorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0", "--drain-delay-seconds", "0"];

function concurrencyOf(...argv: string[]): number {
  const invocation = parseCommandLine(argv, commandTable);
  assert.equal(invocation.kind, "run");
  return invocation.kind === "run"
    ? serveOptionsFrom(invocation.values, ["."], { meshPort: null, announce: null }).concurrency
    : 0;
}

/** The answer to a request on a connection of its own. */
async function ask(port: number): Promise<string> {
  const headers = { host: "shop.example" };
  const outgoing = request({ host: "127.0.0.1", port, path: "/shop", headers, agent: false }).end();
  const [message] = (await once(outgoing, "response")) as [IncomingMessage];
  return await readText(message);
}

suite("--concurrency", () => {
  test("auto is the gateway's default and counts cores; up has one thread", () => {
    assert.equal(concurrencyOf("gateway", "."), availableParallelism());
    assert.equal(concurrencyOf("gateway", ".", "--concurrency", "auto"), availableParallelism());
    assert.equal(concurrencyOf("up", "."), 1);
    assert.equal(concurrencyOf("up", ".", "--concurrency", "256"), 256);
  });

  test("anything else is refused", () => {
    for (const value of ["0", "257", "-1", "1.5", "two", "01"]) {
      assert.throws(
        () => concurrencyOf("gateway", ".", `--concurrency=${value}`),
        (error) => error instanceof CliError && error.message.endsWith("must be auto or a number from 1 to 256"),
      );
    }
  });

  test("two threads serve, are shown, are scraped exactly and drain", async () => {
    await using origin = await startOrigin((_request, response) => response.end("hello"));
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    const log = join(workspace.folder, "access.log");
    const options = ["--listen", "80=127.0.0.1:0", ...otherPorts, "--concurrency", "2"];
    const logOptions = ["--access-log", "text", "--access-log-file", log];
    await using naru = startNaru(["gateway", workspace.folder, ...options, ...logOptions]);
    const at = await portsOf(naru);
    await naru.waitFor("stderr", /serving +concurrency=2/);

    const requests = 24;
    for (let sent = 0; sent < requests; sent++) {
      assert.equal(await ask(at.gateway), "hello");
    }
    const info = await fetch(`http://127.0.0.1:${at.admin}/server_info`);
    assert.equal(((await info.json()) as { concurrency: number }).concurrency, 2);
    const metrics = await (await fetch(`http://127.0.0.1:${at.admin}/stats/prometheus`)).text();
    const counts = [...metrics.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      requests,
    );

    naru.process.kill("SIGTERM");
    assert.equal((await naru.ended).code, 0);
    assert.equal((await readFile(log, "utf8")).trimEnd().split("\n").length, requests);
  });

  for (const threads of ["1", "2"]) {
    test(`with ${threads} thread(s), a port that somebody shares is taken, and shared only on request`, async () => {
      await using workspace = await openWorkspace();
      const config = await workspace.write("shop.yaml", gatewayYaml(1, "/shop"));
      const holder = createServer().listen({ port: 0, host: "127.0.0.1", reusePort: true });
      await once(holder, "listening");
      const { port } = holder.address() as AddressInfo;
      const options = ["--listen", `80=127.0.0.1:${port}`, ...otherPorts, "--concurrency", threads];
      await using alone = startNaru(["gateway", config, ...options]);
      const { code, stderr } = await alone.ended;
      assert.equal(code, 1);
      assert.match(stderr, /EADDRINUSE/);
      await using sharing = startNaru(["gateway", config, ...options, "--take-over"]);
      assert.equal((await portsOf(sharing)).gateway, port);
      holder.close();
    });
  }
});
