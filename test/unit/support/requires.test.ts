// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { requireTool } from "../../support/requires.ts";
import { findTool } from "../../support/tools.ts";

/** Takes what a test says about itself. */
function recordSkips(): { readonly context: TestContext; readonly reasons: string[] } {
  const reasons: string[] = [];
  return { context: { skip: (reason: string) => reasons.push(reason) } as unknown as TestContext, reasons };
}

test("without the program a test skips with the reason", () => {
  const { context, reasons } = recordSkips();
  assert.equal(requireTool(context, "curl", { PATH: "" }), null);
  assert.deepEqual(reasons, ["curl is not installed (Debian package curl)"]);
});

test("under CI a test without the program fails", () => {
  const { context, reasons } = recordSkips();
  assert.throws(() => requireTool(context, "curl", { PATH: "", CI: "true" }), /curl is not installed/);
  assert.deepEqual(reasons, []);
});

test("programs are found in PATH and in the folders of daemons", () => {
  assert.equal(findTool("node", { PATH: "/nowhere:" + process.execPath.replace(/\/node$/, "") }), process.execPath);
  assert.equal(findTool("no-such-program-anywhere"), null);
});
