// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Blocks of the README that show a command after `$ naru` and what it prints. */
function shownCommands(): { readonly args: readonly string[]; readonly lines: readonly string[] }[] {
  const blocks = readFileSync(`${root}README.md`, "utf8").matchAll(/```\n\$ naru ([^]*?[^\\])\n([^]*?)```/g);
  return [...blocks].map(([, command, output]) => ({
    args: command!.replaceAll("\\\n", " ").trim().split(/\s+/),
    lines: output!.trimEnd().split("\n"),
  }));
}

test("the README shows at least one command with its output", () => assert.notEqual(shownCommands().length, 0));

for (const { args, lines } of shownCommands()) {
  test(`README: naru ${args.join(" ")}`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["src/main.ts", ...args], { cwd: root });
    const printed = stdout.trimEnd().split("\n");
    // A line may be cut at the right, where the README has no room.
    assert.deepEqual(
      lines,
      printed.map((line, index) => line.slice(0, lines[index]?.length || line.length)),
    );
  });
}
