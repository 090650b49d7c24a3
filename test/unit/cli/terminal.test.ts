// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CliError } from "../../../src/cli/command.ts";
import { minimumNodeVersion, oldNodeMessage } from "../../../src/cli/node-version.ts";
import { writeData } from "../../../src/cli/output.ts";
import { reportFailure } from "../../../src/cli/report.ts";
import { createTerminal, type OutputStream } from "../../../src/cli/terminal.ts";
import packageJson from "../../../package.json" with { type: "json" };

function capture(stream: Omit<OutputStream, "write"> = {}): OutputStream & { text(): string } {
  let written = "";
  return { ...stream, write: (text) => (written += text), text: () => written };
}

suite("createTerminal", () => {
  test("colours only on a terminal", () => {
    const tty = createTerminal(capture({ isTTY: true, columns: 80 }), capture(), {});
    assert.equal(tty.tone("bad", "no"), "\u001b[31mno\u001b[39m");
    assert.equal(tty.errTone("bad", "no"), "no");
    assert.equal(tty.width, 80);
    const pipe = createTerminal(capture(), capture({ isTTY: true }), {});
    assert.equal(pipe.tone("bad", "no"), "no");
    assert.equal(pipe.errTone("bad", "no"), "\u001b[31mno\u001b[39m");
    assert.equal(pipe.width, null);
  });

  test("never colours against NO_COLOR or on a dumb terminal", () => {
    for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
      assert.equal(createTerminal(capture({ isTTY: true }), capture(), env).tone("good", "yes"), "yes");
    }
    assert.notEqual(createTerminal(capture({ isTTY: true }), capture(), { NO_COLOR: "" }).tone("good", "yes"), "yes");
  });

  test("takes a terminal of no columns for one of unknown width", () => {
    assert.equal(createTerminal(capture({ isTTY: true, columns: 0 }), capture(), {}).width, null);
  });
});

suite("reportFailure", () => {
  test("shows message and hint, and a stack only when asked", () => {
    const stderr = capture();
    const terminal = createTerminal(capture(), stderr, {});
    assert.equal(reportFailure(terminal, new CliError(2, "port taken", "use another"), false), 2);
    assert.equal(stderr.text(), "naru: port taken\nuse another\n");
    assert.equal(reportFailure(terminal, new TypeError("broken"), true), 1);
    assert.match(stderr.text(), /naru: broken\nTypeError: broken\n\s+at /);
  });
});

suite("writeData", () => {
  test("writes the same data as JSON and as YAML", async () => {
    const stdout = capture();
    const terminal = createTerminal(stdout, capture(), {});
    await writeData(terminal, "json", { hosts: ["*"] });
    await writeData(terminal, "yaml", { hosts: ["*"] });
    assert.equal(stdout.text(), '{\n  "hosts": [\n    "*"\n  ]\n}\nhosts:\n  - "*"\n');
  });
});

suite("oldNodeMessage", () => {
  test("asks for the version that package.json asks for", () => {
    assert.equal(packageJson.engines.node, `>=${minimumNodeVersion}`);
  });

  test("refuses what is older, and names both versions", () => {
    for (const version of ["20.20.2", "26.5.0", "26.4.9", "9.0.0"]) {
      assert.ok(oldNodeMessage(version)?.includes(`needs Node.js 26.5.1 or newer; this is ${version}`), version);
    }
    for (const version of ["26.5.1", "26.10.0", "27.0.0", "100.0.0"])
      assert.equal(oldNodeMessage(version), null, version);
  });
});
