// SPDX-License-Identifier: Apache-2.0
// Programs that were not written for these tests: curl, nginx, and Node's own HTTP client and server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request, type IncomingMessage, type RequestOptions } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";

import { HttpOrigin } from "../support/http-origin.ts";
import { endOfHead } from "../support/messages.ts";
import { NginxOrigin } from "../support/nginx-origin.ts";
import { startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { requireTool } from "../support/requires.ts";

const execute = promisify(execFile);
const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

async function curl(t: TestContext, ...args: readonly string[]): Promise<{ stdout: string; stderr: string } | null> {
  const path = requireTool(t, "curl");
  if (path === null) return null;
  return execute(path, ["--silent", "--noproxy", "*", "--max-time", "10", ...args], { maxBuffer: 64 * 1024 * 1024 });
}

/** Says how much it got, and its digest; says 100 when asked. */
function digestOrigin(): Promise<HttpOrigin> {
  return HttpOrigin.start((incoming, response) => {
    const hash = createHash("sha256");
    let length = 0;
    incoming.on("data", (bytes: Buffer) => {
      hash.update(bytes);
      length += bytes.length;
    });
    incoming.on("end", () => response.end(`${incoming.method} ${length} ${hash.digest("hex")}`));
  });
}

class TemporaryFile implements AsyncDisposable {
  readonly bytes: Buffer;
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string, bytes: Buffer) {
    this.#folder = folder;
    this.bytes = bytes;
    this.path = join(folder, "upload.bin");
  }

  static async create(length: number): Promise<TemporaryFile> {
    const file = new TemporaryFile(await mkdtemp(join(tmpdir(), "naru-upload-")), randomBytes(length));
    await writeFile(file.path, file.bytes);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

test("curl keeps its connection over several transfers", async (t) => {
  await using origin = await HttpOrigin.named("hello");
  await using proxy = await startProxy({ origins: [origin.port] });
  const url = `http://127.0.0.1:${proxy.port}/`;
  const done = await curl(t, "--write-out", " %{http_code} %{num_connects}\n", url, url, url);
  if (done === null) return;
  assert.equal(done.stdout, "hello 200 1\nhello 200 0\nhello 200 0\n");
  assert.equal(proxy.cluster().connectionsActive, 1);
});

test("curl --http1.0 gets a chunked answer whole", async (t) => {
  const body = "0123456789".repeat(20_000);
  await using origin = await HttpOrigin.start((_incoming, response) => {
    for (let at = 0; at < body.length; at += 7_777) response.write(body.slice(at, at + 7_777));
    response.end();
  });
  await using proxy = await startProxy({ origins: [origin.port] });
  const done = await curl(t, "--http1.0", `http://127.0.0.1:${proxy.port}/`);
  if (done === null) return;
  assert.equal(done.stdout, body);
});

test("curl -I, HEAD and an empty answer", async (t) => {
  await using origin = await HttpOrigin.start((incoming, response) => {
    if (incoming.url === "/none") response.writeHead(204).end();
    else response.writeHead(200, { "content-length": 5 }).end("hello");
  });
  await using proxy = await startProxy({ origins: [origin.port] });
  const base = `http://127.0.0.1:${proxy.port}`;
  const done = await curl(t, "-I", `${base}/some`, `${base}/none`, "--next", "--silent", `${base}/some`);
  if (done === null) return;
  const [some, none, body] = done.stdout.split(endOfHead);
  assert.match(some ?? "", /^HTTP\/1\.1 200 OK\r\n.*content-length: 5/s);
  assert.match(none ?? "", /^HTTP\/1\.1 204 No Content\r\n/);
  assert.equal(body, "hello");
});

test("curl -T waits for 100 and uploads, with a length and in chunks", async (t) => {
  await using file = await TemporaryFile.create(3_000_000);
  await using origin = await digestOrigin();
  await using proxy = await startProxy({ origins: [origin.port] });
  const url = `http://127.0.0.1:${proxy.port}/upload`;
  for (const args of [[], ["-H", "Transfer-Encoding: chunked"]]) {
    const done = await curl(t, "-v", "-T", file.path, "-H", "Expect: 100-continue", ...args, url);
    if (done === null) return;
    assert.equal(done.stdout, `PUT 3000000 ${digest(file.bytes)}`);
    assert.match(done.stderr, /< HTTP\/1\.1 100 Continue/);
  }
});

test("curl says that an answer was cut off, never that it was fine", async (t) => {
  const cut = [
    "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
  ];
  for (const bytes of cut) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    const answered = origin.connection().then(async (upstream) => {
      await upstream.takeThrough(endOfHead);
      upstream.send(bytes);
      upstream.finish();
    });
    const outcome = await curl(t, `http://127.0.0.1:${proxy.port}/`).catch((error: unknown) => error);
    if (outcome === null) return;
    await answered;
    assert.ok(outcome instanceof Error && "code" in outcome, "curl succeeded");
    // 18: partial file; 56: reset while receiving.
    assert.ok(outcome.code === 18 || outcome.code === 56, String(outcome.code));
  }
});

test("nginx as origin: files, ranges, conditions, and a connection it closes every few requests", async (t) => {
  const nginx = requireTool(t, "nginx");
  if (nginx === null) return;
  await using origin = await NginxOrigin.start(
    nginx,
    "keepalive_requests 3; location = /echo { return 200 $request_method; }",
  );
  const file = randomBytes(2_000_000);
  await writeFile(join(origin.folder, "file.bin"), file);
  await using proxy = await startProxy({ origins: [origin.port] });
  using agent = new DisposableAgent({ keepAlive: true, maxSockets: 2 });
  const ask = (path: string, options: RequestOptions = {}): Promise<Answered> =>
    send({ port: proxy.port, path, agent, ...options });
  for (let round = 0; round < 5; round++) {
    const whole = await ask("/file.bin");
    assert.equal(whole.status, 200);
    assert.equal(digest(whole.body), digest(file));
    const part = await ask("/file.bin", { headers: { range: "bytes=100-199" } });
    assert.equal(part.status, 206);
    assert.deepEqual(part.body, file.subarray(100, 200));
    const same = await ask("/file.bin", { headers: { "if-none-match": String(whole.headers["etag"]) } });
    assert.equal(same.status, 304);
    const head = await ask("/file.bin", { method: "HEAD" });
    assert.equal(head.headers["content-length"], "2000000");
    assert.equal(head.body.length, 0);
    const echo = await ask("/echo", { method: "DELETE" });
    assert.equal(echo.body.toString(), "DELETE");
  }
  assert.deepEqual([...new Set(proxy.outcomes().map(({ flags }) => flags))], ["-"]);
  assert.ok(proxy.cluster().endpoints[0]!.connectionsTotal >= 8, "nginx closed after every third request");
});

test("node:http on both sides: many parallel requests of random sizes come back as they went", async () => {
  await using origin = await HttpOrigin.start((incoming, response) => {
    if (incoming.headers["x-length"] !== undefined) response.setHeader("content-length", incoming.headers["x-length"]);
    incoming.pipe(response);
  });
  await using proxy = await startProxy({ origins: [origin.port] });
  using agent = new DisposableAgent({ keepAlive: true, maxSockets: 16 });
  const bytes = randomBytes(600_000);
  let seed = 42;
  const below = (limit: number): number => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed % limit;
  };
  const exchanges = Array.from({ length: 300 }, async (_, index) => {
    const length = index % 10 === 0 ? below(600_000) : below(3_000);
    const body = bytes.subarray(0, length);
    const headers: Record<string, string> = index % 3 === 0 ? { "x-length": String(length) } : {};
    if (index % 2 === 0) headers["content-length"] = String(length);
    const echoed = await send({ port: proxy.port, method: "POST", path: `/${index}`, agent, headers }, body);
    assert.equal(echoed.status, 200);
    assert.equal(digest(echoed.body), digest(body), `request ${index} of ${length} bytes`);
  });
  await Promise.all(exchanges);
  assert.deepEqual([...new Set(proxy.outcomes().map(({ code, flags }) => `${code} ${flags}`))], ["200 -"]);
  assert.ok(proxy.cluster().connectionsActive <= 16, "upstream connections are used again");
});

test("node:http sees early hints, trailers and an aborted answer for what they are", async () => {
  await using origin = await HttpOrigin.start((incoming, response) => {
    if (incoming.url === "/hints") {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => response.end("hinted"));
    } else if (incoming.url === "/trailers") {
      response.writeHead(200, { trailer: "x-sum" });
      response.write("body");
      response.addTrailers({ "x-sum": "7" });
      response.end();
    } else {
      response.write("half", () => response.destroy());
    }
  });
  await using proxy = await startProxy({ origins: [origin.port] });
  const hinted = await send({ port: proxy.port, path: "/hints" });
  assert.deepEqual(hinted.interim, [103]);
  assert.equal(hinted.body.toString(), "hinted");
  const trailers = await send({ port: proxy.port, path: "/trailers", headers: { te: "trailers", connection: "te" } });
  assert.deepEqual(trailers.trailers, { "x-sum": "7" });
  await assert.rejects(send({ port: proxy.port, path: "/cut" }), { code: "ECONNRESET" });
});

class DisposableAgent extends Agent implements Disposable {
  [Symbol.dispose](): void {
    this.destroy();
  }
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly trailers: IncomingMessage["trailers"];
  readonly interim: readonly number[];
  readonly body: Buffer;
}

function send(options: RequestOptions, body: Buffer = Buffer.alloc(0)): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const sent = request({ host: "127.0.0.1", agent: false, ...options });
  const interim: number[] = [];
  const parts: Buffer[] = [];
  sent.on("error", reject);
  sent.on("information", ({ statusCode }: { readonly statusCode: number }) => interim.push(statusCode));
  sent.on("response", (response) => {
    response.on("error", reject);
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("end", () => {
      const { statusCode: status = 0, headers, trailers } = response;
      resolve({ status, headers, trailers: { ...trailers }, interim, body: Buffer.concat(parts) });
    });
  });
  sent.end(body);
  return promise;
}
