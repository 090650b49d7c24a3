// SPDX-License-Identifier: Apache-2.0
// `naru demo` as a user runs it: the real program, the real services, the real mesh between them.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startNaru, type RunResult, type RunningNaru } from "../cli/support/run-naru.ts";
import { ask, type Reply, type RequestParts } from "./support/services.ts";

const variations = fileURLToPath(new URL("../../examples/bookinfo/variations", import.meta.url));
const freePorts = ["mesh", "admin", "status", "stats"].flatMap((name) => [`--${name}-port`, "0"]);

interface Demo extends AsyncDisposable {
  readonly running: RunningNaru;
  readonly port: number;
  /** What the demo leaves in the folder for temporary files. */
  leftOver(): readonly string[];
  get(path: string, parts?: RequestParts): Promise<Reply>;
  /** Names of the reviews services that answered `count` page views. */
  reviewers(count: number, headers?: Readonly<Record<string, string>>): Promise<ReadonlySet<string>>;
  /** Ends it as Ctrl-C does. */
  interrupt(): Promise<RunResult>;
}

async function startDemo(...args: readonly string[]): Promise<Demo> {
  const temporary = mkdtempSync(join(tmpdir(), "naru-test-"));
  const running = startNaru(["demo", "--port", "0", ...freePorts, "--quiet", ...args], { TMPDIR: temporary });
  const [, port] = await running.waitFor("stdout", /^http:\/\/127\.0\.0\.1:(\d+)\/productpage\n$/);
  const get: Demo["get"] = (path, parts) => ask(Number(port), path, parts);
  return {
    running,
    port: Number(port),
    leftOver: () => readdirSync(temporary),
    get,
    async reviewers(count, headers = {}) {
      const names = new Set<string>();
      for (let view = 0; view < count; view++) {
        const { body } = await get("/productpage", { headers });
        names.add(/Served by\s*<strong>([^<]*)</.exec(body)?.[1] ?? "nobody");
      }
      return names;
    },
    interrupt() {
      running.process.kill("SIGINT");
      return running.ended;
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      rmSync(temporary, { recursive: true });
    },
  };
}

/** Process ids of the services. */
function childrenOf({ running }: Demo): readonly number[] {
  const { pid } = running.process;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("naru demo", () => {
  test("serves the product page through the gateway, put together by every version of reviews", async () => {
    await using demo = await startDemo();
    const page = await demo.get("/productpage?u=normal");
    assert.equal(page.status, 200);
    assert.match(page.body, /<h1>The Comedy of Errors<\/h1>/);
    assert.match(page.body, /<dt>ISBN-10<\/dt>/);
    // Each version gets a third: one would stay away from 60 views once in ten billion runs.
    assert.deepEqual(await demo.reviewers(60), new Set(["reviews-v1", "reviews-v2", "reviews-v3"]));
    assert.equal((await demo.get("/static/style.css")).status, 200);
    assert.deepEqual(JSON.parse((await demo.get("/api/v1/products/0/ratings")).body), {
      id: 0,
      ratings: { Reviewer1: 5, Reviewer2: 4 },
    });
    for (const path of ["/other", "/", "/productpage/1", "/health"]) {
      assert.equal((await demo.get(path)).status, 404, path);
    }
  });

  test("routes a user by name from signing in to signing out", async () => {
    await using demo = await startDemo("--routing", join(variations, "reviews-jason-v2.yaml"));
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const signIn = async (name: string): Promise<string> => {
      const reply = await demo.get("/login", { method: "POST", headers, body: `username=${name}` });
      assert.deepEqual([reply.status, reply.headers.location], [302, "/productpage"]);
      return reply.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    };
    const cookie = await signIn("jason");
    assert.match((await demo.get("/productpage", { headers: { cookie } })).body, /Signed in as <strong>jason</);
    assert.deepEqual(await demo.reviewers(5, { cookie }), new Set(["reviews-v2"]));
    assert.deepEqual(await demo.reviewers(5, { cookie: await signIn("other") }), new Set(["reviews-v1"]));
    const signedOut = await demo.get("/logout", { headers: { cookie } });
    assert.match(signedOut.headers["set-cookie"]?.[0] ?? "", /^session=; .*Max-Age=0/);
    assert.doesNotMatch((await demo.get("/productpage")).body, /Signed in as/);
    assert.deepEqual(await demo.reviewers(5), new Set(["reviews-v1"]));
  });

  test("follows a change of the routes while it runs", async () => {
    const folder = mkdtempSync(join(tmpdir(), "naru-test-"));
    const routing = join(folder, "routing.yaml");
    const use = (name: string) => writeFileSync(routing, readFileSync(join(variations, name)));
    use("reviews-v1.yaml");
    await using demo = await startDemo("--routing", routing);
    assert.deepEqual(await demo.reviewers(5), new Set(["reviews-v1"]));
    use("reviews-v3.yaml");
    while (!(await demo.reviewers(1)).has("reviews-v3"));
    assert.deepEqual(await demo.reviewers(5), new Set(["reviews-v3"]));
    rmSync(folder, { recursive: true });
  });

  test("ends with 0 on Ctrl-C and leaves nothing behind", async () => {
    await using demo = await startDemo();
    const children = childrenOf(demo);
    assert.equal(children.length, 6);
    assert.ok(children.every(isAlive));
    assert.equal(demo.leftOver().length, 1);
    const { code, stderr } = await demo.interrupt();
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(children.filter(isAlive), []);
    assert.deepEqual(demo.leftOver(), []);
  });

  test("ends with 0 when its time is up", async () => {
    await using demo = await startDemo("--exit-after", "0.2");
    const { code, stderr } = await demo.running.ended;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(demo.leftOver(), []);
  });

  test("says which service died, and ends with 1", async () => {
    await using demo = await startDemo();
    const children = childrenOf(demo);
    process.kill(children[3]!, "SIGKILL");
    const { code, stderr } = await demo.running.ended;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`service \\w+ v\\d \\(process ${children[3]}\\) ended: signal SIGKILL`));
    assert.deepEqual(children.filter(isAlive), []);
    assert.deepEqual(demo.leftOver(), []);
  });

  test("says what to do when the gateway's port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await using running = startNaru(["demo", "--port", String(port), ...freePorts]);
    const { code, stdout, stderr } = await running.ended;
    other.close();
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`port ${port} for the gateway cannot be used: another process has it`));
    assert.match(stderr, /naru demo --port \d+/);
  });

  test("shows where to look and what is routed where, and makes traffic when asked to", async () => {
    await using running = startNaru(["demo", "--port", "0", ...freePorts, "--traffic", "50"]);
    const [, statsUrl] = await running.waitFor("stdout", /(http:\S+\/stats\/prometheus) [^]*as soon as it is saved/);
    const requests = /^istio_requests_total\{.*destination_service_name="ratings".*response_code="200".*\} (\d+)$/m;
    const seen = async () => Number(requests.exec(await (await fetch(statsUrl!)).text())?.[1] ?? 0);
    while ((await seen()) < 3);
    running.process.kill("SIGTERM");
    const { code, stdout } = await running.ended;
    assert.equal(code, 0);
    assert.match(stdout, /http:\/\/127\.0\.0\.1:\d+\/productpage /);
    assert.match(stdout, /\/productpage, \/static…, \/login, \/logout, \/api\/v1\/products… +→ productpage\n/);
    assert.match(stdout, /reviews +→ reviews v1 34%, reviews v2 33%, reviews v3 33%\n/);
    // Piped, so without a terminal's control sequences.
    assert.ok(!stdout.includes("\u001b"));
  });
});
