// SPDX-License-Identifier: Apache-2.0
// The services as programs: the ready line, and every way to end.

import assert from "node:assert/strict";
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { ask } from "./support/services.ts";

const folder = fileURLToPath(new URL("../../examples/bookinfo/services", import.meta.url));

async function start(
  name: string,
  stdio: StdioOptions,
  args: readonly string[] = [],
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [`${folder}/${name}.ts`, "--port", "0", ...args], { stdio });
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return { child, port: (JSON.parse(line) as { listening: number }).listening };
}

describe("a service process", () => {
  for (const name of ["productpage", "details", "reviews", "ratings"]) {
    test(`${name} says where it listens, answers there, and ends with 0 on SIGTERM`, async () => {
      const { child, port } = await start(name, ["ignore", "pipe", "inherit"]);
      assert.equal((await ask(port, "/health")).status, 200);
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [0, null]);
    });
  }

  test("ends on SIGTERM with a kept-alive connection open", async () => {
    const { child, port } = await start("details", ["ignore", "pipe", "inherit"]);
    const reply = await fetch(`http://127.0.0.1:${port}/details/0`);
    assert.equal(reply.status, 200);
    await reply.arrayBuffer();
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  test("ends when the process that owns it lets go, and not by its SIGINT", async () => {
    const { child, port } = await start("reviews", ["ignore", "pipe", "inherit", "ipc"], ["--version", "v2"]);
    child.kill("SIGINT");
    assert.equal((await ask(port, "/health")).status, 200);
    child.disconnect();
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  test("refuses a port that is none", async () => {
    const child = spawn(process.execPath, [`${folder}/details.ts`, "--port", "high"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 1);
    assert.match(errors, /--port high/);
  });
});
