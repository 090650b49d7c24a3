// SPDX-License-Identifier: Apache-2.0
// `naru gateway` and `naru up` as real processes in front of a real origin: what they serve, how they end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rename } from "node:fs/promises";
import { request, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { systemCodeOf } from "../../src/core/index.ts";
import { connectRaw } from "../support/raw-peer.ts";
import { portsOf, startNaru, type RunningNaru } from "./support/run-naru.ts";
import { gatewayYaml, openWorkspace, readText, startOrigin } from "./support/workspace.ts";

const freePorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
const anyPorts = ["--listen", "80=127.0.0.1:0", ...freePorts];
const ports = [...anyPorts, "--drain-delay-seconds", "0"];

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function ask(port: number, path: string, method = "GET"): Promise<Answer> {
  const message = await send(port, path, method);
  return { status: message.statusCode ?? 0, body: await readText(message) };
}

async function send(port: number, path: string, method = "GET"): Promise<IncomingMessage> {
  const headers = path.startsWith("/shop") ? { host: "shop.example" } : {};
  const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false }).end();
  const [message] = (await once(outgoing, "response")) as [IncomingMessage];
  return message;
}

/** Connects until it is refused; whoever comes while the listeners are closing is still taken. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect({ port, host: "127.0.0.1" });
    try {
      await once(socket, "connect");
    } catch (error) {
      if (systemCodeOf(error) === "ECONNREFUSED") return;
    }
    socket.destroy();
  }
}

const hello = (_request: IncomingMessage, response: ServerResponse) => void response.end("hello");

/** An origin that answers only when told to. */
function heldOrigin() {
  const { promise: arrived, resolve } = Promise.withResolvers<ServerResponse>();
  return { arrived, listener: (_request: IncomingMessage, response: ServerResponse) => resolve(response) };
}

suite("naru gateway", { concurrency: 2 }, () => {
  test("serves what the files say, follows their changes, and shows itself on its own ports", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    const file = await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    // Lines of several workers have no order between them.
    const options = ["--access-log", "text", "--concurrency", "1"];
    await using naru = startNaru(["gateway", "-f", workspace.folder, ...ports, ...options]);
    const at = await portsOf(naru);

    assert.deepEqual(await ask(at.gateway, "/shop/cart"), { status: 200, body: "hello" });
    assert.deepEqual(await ask(at.status, "/healthz/ready"), { status: 200, body: "LIVE\n" });
    assert.match(
      (await ask(at.admin, "/routes")).body,
      /^gateway:80 +shop\.example +1 +prefix \/shop +origin\.example:80 +.*shop\.yaml:18:/m,
    );
    const metrics = (await ask(at.stats, "/stats/prometheus")).body;
    assert.match(metrics, /^istio_requests_total\{.*response_code="200".*\} 1$/m);
    assert.match(metrics, /^process_resident_memory_bytes \d+$/m);
    assert.match(metrics, /^istio_build\{.*tag="\d[^"]*".*\} 1$/m);

    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop/new"));
    await naru.waitFor(
      "stderr",
      /configuration built .*changed=routing[^\n]*\n[^]*configuration built .*changed=routing/,
    );
    assert.deepEqual(await ask(at.gateway, "/shop/new"), { status: 200, body: "hello" });
    assert.equal((await ask(at.gateway, "/shop/cart")).status, 404);

    await workspace.write("shop.yaml", `${gatewayYaml(origin.port, "/shop/new")}---\nkind: [`);
    const problem = await naru.waitFor("stderr", /problem in the configuration .*/);
    assert.ok(problem[0].includes(file) && problem[0].includes("YAML_SYNTAX"), problem[0]);
    assert.equal((await ask(at.gateway, "/shop/new")).status, 200);

    naru.process.kill("SIGTERM");
    const { code, stdout } = await naru.ended;
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 4);
    assert.match(lines[0] ?? "", /"GET \/shop\/cart HTTP\/1\.1" 200 - via_upstream/);
    assert.match(lines[2] ?? "", /"GET \/shop\/cart HTTP\/1\.1" 404 NR route_not_found/);
  });

  test("SIGTERM: what is in flight is finished, readiness is withdrawn, exit code 0", async () => {
    const { arrived, listener } = heldOrigin();
    await using origin = await startOrigin(listener);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    await using naru = startNaru(["gateway", workspace.folder, ...ports]);
    const at = await portsOf(naru);

    const answer = ask(at.gateway, "/shop");
    const response = await arrived;
    naru.process.kill("SIGTERM");
    await naru.waitFor("stderr", /draining/);
    assert.equal((await ask(at.status, "/healthz/ready")).status, 503);
    await refused(at.gateway);
    response.end("finished");
    assert.deepEqual(await answer, { status: 200, body: "finished" });
    assert.equal((await naru.ended).code, 0);
  });

  test("SIGTERM: readiness is withdrawn first, and for a while everything is served as before", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    // With workers, the log may be ahead of what they serve by.
    const options = ["--drain-delay-seconds", "5", "--concurrency", "1"];
    await using naru = startNaru(["gateway", workspace.folder, ...anyPorts, ...options]);
    const at = await portsOf(naru);

    naru.process.kill("SIGTERM");
    await naru.waitFor("stderr", /stopping soon +delay_ms=5000/);
    assert.equal((await ask(at.status, "/healthz/ready")).status, 503);
    await using client = await connectRaw(at.gateway);
    client.send("GET /shop HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    const answer = await client.takeThrough("hello");
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(answer, /connection: close/i);
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop/later"));
    await naru.waitFor("stderr", /stopping soon[^]*configuration built .*changed=routing/);
    assert.deepEqual(await ask(at.gateway, "/shop/later"), { status: 200, body: "hello" });
    assert.doesNotMatch(naru.stderr(), /draining/);
    await naru.waitFor("stderr", /draining/);
    await refused(at.gateway);
    assert.equal((await naru.ended).code, 0);
  });

  for (const [how, stop] of [
    ["SIGINT", (naru: RunningNaru) => Promise.resolve(naru.process.kill("SIGINT"))],
    ["/quitquitquit", async (naru: RunningNaru) => await ask((await portsOf(naru)).admin, "/quitquitquit", "POST")],
  ] as const) {
    test(`${how} waits for no balancer`, async () => {
      await using workspace = await openWorkspace();
      await workspace.write("shop.yaml", gatewayYaml(1, "/shop"));
      await using naru = startNaru(["gateway", workspace.folder, ...anyPorts, "--drain-delay-seconds", "600"]);
      await portsOf(naru);
      await stop(naru);
      assert.equal((await naru.ended).code, 0);
    });
  }

  test("exit code 1 when requests had to be cut off at the drain deadline", async () => {
    const { arrived, listener } = heldOrigin();
    await using origin = await startOrigin(listener);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    await using naru = startNaru(["gateway", workspace.folder, ...ports, "--drain-seconds", "0.05"]);
    const at = await portsOf(naru);

    const answer = ask(at.gateway, "/shop");
    await arrived;
    naru.process.kill("SIGINT");
    // No head had been sent, so there is an answer and not a reset.
    assert.equal((await answer).status, 503);
    const { code, stderr } = await naru.ended;
    assert.equal(code, 1);
    assert.match(stderr, /drain deadline passed .*abandoned=1/);
  });

  test("a second signal ends it at once, with that signal's exit code", async () => {
    const { arrived, listener } = heldOrigin();
    await using origin = await startOrigin(listener);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    await using naru = startNaru(["gateway", workspace.folder, ...ports]);
    const at = await portsOf(naru);

    const cutOff = assert.rejects(ask(at.gateway, "/shop"));
    await arrived;
    naru.process.kill("SIGTERM");
    await naru.waitFor("stderr", /draining/);
    // Signals within 200 ms count as one, so it takes some.
    const impatience = setInterval(() => naru.process.kill("SIGINT"), 50);
    const { code } = await naru.ended;
    clearInterval(impatience);
    assert.equal(code, 130);
    await cutOff;
  });

  test("SIGHUP opens the access log again, so that it can be rotated", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    const config = await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    const log = join(workspace.folder, "access.json");
    const logOptions = ["--access-log", "json", "--access-log-file", log];
    await using naru = startNaru(["gateway", config, ...ports, ...logOptions]);
    const at = await portsOf(naru);

    await ask(at.gateway, "/shop/before");
    await rename(log, `${log}.1`);
    naru.process.kill("SIGHUP");
    await naru.waitFor("stderr", /log files reopened/);
    await ask(at.gateway, "/shop/after");
    naru.process.kill("SIGTERM");
    const { code, stdout } = await naru.ended;
    assert.deepEqual({ code, stdout }, { code: 0, stdout: "" });
    const paths = (await Promise.all([readFile(`${log}.1`, "utf8"), readFile(log, "utf8")])).flatMap((text) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { path: string }).path),
    );
    assert.deepEqual(paths, ["/shop/before", "/shop/after"]);
  });

  test("SIGHUP while it starts is for the log files, too", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    // So large that it is built in a process of its own, which leaves time.
    const comment = `# ${"x".repeat(78)}\n`.repeat(1_000);
    const config = await workspace.write("shop.yaml", comment + gatewayYaml(origin.port, "/shop"));
    const log = join(workspace.folder, "access.json");
    await using naru = startNaru(["gateway", config, ...ports, "--access-log", "json", "--access-log-file", log]);
    await naru.waitFor("stderr", /admin pages are up/);
    await rename(log, `${log}.1`);
    naru.process.kill("SIGHUP");
    await naru.waitFor("stderr", /log files reopened/);
    const at = await portsOf(naru);
    await ask(at.gateway, "/shop/after");
    naru.process.kill("SIGTERM");
    const { code } = await naru.ended;
    assert.equal(code, 0);
    assert.match(await readFile(log, "utf8"), /"path":"\/shop\/after"/);
  });

  test("ends over the admin port as it does on a signal", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    await using naru = startNaru(["gateway", workspace.folder, ...ports]);
    const at = await portsOf(naru);
    assert.equal((await ask(at.admin, "/quitquitquit", "POST")).status, 200);
    assert.equal((await naru.ended).code, 0);
  });

  test("a port that is taken: exit code 1, which one, and what to do", async () => {
    await using workspace = await openWorkspace();
    const config = await workspace.write("shop.yaml", gatewayYaml(1, "/shop"));
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const taken = String((holder.address() as AddressInfo).port);
    await using gateway = startNaru(["gateway", config, "--listen", `80=127.0.0.1:${taken}`, ...freePorts]);
    await using admin = startNaru(["gateway", config, ...ports, "--admin-port", taken]);
    const [onListener, onAdmin] = await Promise.all([gateway.ended, admin.ended]);
    holder.close();
    assert.deepEqual([onListener.code, onAdmin.code], [1, 1]);
    assert.match(onListener.stderr, new RegExp(`^naru: cannot listen on 127\\.0\\.0\\.1:${taken}: .*EADDRINUSE`, "m"));
    assert.match(
      onListener.stderr,
      /^Another process has this port: stop it, use --listen 80=PORT with another port, or --take-over/m,
    );
    assert.match(onAdmin.stderr, new RegExp(`^naru: .*${taken}.*--admin-port`, "m"));
    for (const { stderr } of [onListener, onAdmin]) assert.doesNotMatch(stderr, /^\s+at /m);
  });

  test("an address that is another machine's: exit code 1, and that a port is not the matter", async () => {
    await using workspace = await openWorkspace();
    const config = await workspace.write("shop.yaml", gatewayYaml(1, "/shop"));
    // RFC 5737: nobody has it.
    await using naru = startNaru(["gateway", config, "--listen", "80=192.0.2.1:0", ...freePorts]);
    const { code, stderr } = await naru.ended;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^naru: cannot listen on 192\.0\.2\.1:0: .*EADDRNOTAVAIL.*\nThis machine has no such address: /m,
    );
  });

  test("a path that is not there: exit code 1 and no stack", async () => {
    await using naru = startNaru(["gateway", "-f", "no/such/folder", ...freePorts]);
    const { code, stderr } = await naru.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^naru: no\/such\/folder: /m);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
});

suite("naru up", () => {
  test("says what is served where, and serves gateway and mesh", async () => {
    await using origin = await startOrigin(hello);
    await using workspace = await openWorkspace();
    await workspace.write("shop.yaml", gatewayYaml(origin.port, "/shop"));
    await using naru = startNaru(["up", workspace.folder, ...ports, "--mesh-port", "0", "--log-level", "warning"]);
    const gateway = await naru.waitFor(
      "stdout",
      /^ +http:\/\/127\.0\.0\.1:(\d+)\/ +gateway port 80: hosts shop\.example$/m,
    );
    const mesh = await naru.waitFor(
      "stdout",
      /^ +http:\/\/127\.0\.0\.1:(\d+)\/ +mesh: services by Host header, their ports 80$/m,
    );
    await naru.waitFor(
      "stdout",
      /^gateway:80 +shop\.example +1 +prefix \/shop +origin\.example:80 +\S*shop\.yaml:18:\d+$/m,
    );
    assert.equal((await ask(Number(gateway[1]), "/shop")).body, "hello");

    const outgoing = request({
      host: "127.0.0.1",
      port: Number(mesh[1]),
      headers: { host: "origin.example" },
      agent: false,
    }).end();
    const [message] = (await once(outgoing, "response")) as [IncomingMessage];
    assert.equal(await readText(message), "hello");

    naru.process.kill("SIGINT");
    const { code, stderr } = await naru.ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  });
});
