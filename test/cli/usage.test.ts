// SPDX-License-Identifier: Apache-2.0
// The program as a user meets it first: help, version, and what it says to mistyped command lines.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandTable } from "../../src/cli/index.ts";
import packageJson from "../../package.json" with { type: "json" };
import { runNaru } from "./support/run-naru.ts";

suite("naru", { concurrency: 2 }, () => {
  test("without arguments shows the general help", async () => {
    const { code, stdout, stderr } = await runNaru([]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (const { name } of commandTable) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  });

  test("help COMMAND and COMMAND --help say the same", async () => {
    const [left, right] = await Promise.all([runNaru(["help", "routes"]), runNaru(["routes", "--help"])]);
    assert.equal(left.code, 0);
    assert.match(left.stdout, /--header/);
    assert.deepEqual(left, right);
  });

  test("version has the version of package.json, as text and JSON", async () => {
    const [text, json, flag] = await Promise.all([
      runNaru(["version"]),
      runNaru(["version", "-o", "json"]),
      runNaru(["--version"]),
    ]);
    assert.equal(
      text.stdout,
      `naru ${packageJson.version} (Node.js ${process.versions.node}, ${process.platform}-${process.arch})\n`,
    );
    assert.deepEqual(JSON.parse(json.stdout), {
      version: packageJson.version,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    });
    assert.equal(flag.stdout, text.stdout);
  });

  for (const { args, says } of [
    {
      args: ["gatway"],
      says: "naru: unknown command 'gatway'; did you mean 'gateway'?\nRun 'naru --help' for what there is.\n",
    },
    {
      args: ["gateway", "--adminport", "1"],
      says: "naru: unknown option '--adminport' for gateway; did you mean '--admin-port'?\nRun 'naru gateway --help' for what there is.\n",
    },
    {
      args: ["validate"],
      says: "naru: no configuration given: name files or directories, e.g. -f config/\nRun 'naru validate --help' for what there is.\n",
    },
  ]) {
    test(`${args.join(" ")}: exit code 2, the answer on stderr and no colour in a pipe`, async () => {
      assert.deepEqual(await runNaru(args), { code: 2, stdout: "", stderr: says });
    });
  }
});
