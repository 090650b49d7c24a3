// SPDX-License-Identifier: Apache-2.0
// Help and parser read one table: whatever help shows, the parser takes.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { commandTable } from "../../../src/cli/commands.ts";
import { renderHelp } from "../../../src/cli/help.ts";
import { parseCommandLine } from "../../../src/cli/parse.ts";

const layout = { width: 100, strong: (text: string) => text };

suite("help", () => {
  test("the general help lists every command with its summary", () => {
    const text = renderHelp(null, commandTable, layout);
    for (const { name, summary } of commandTable) assert.ok(text.includes(`  ${name}`) && text.includes(summary), name);
  });

  for (const command of commandTable) {
    test(`${command.name}: lists every option with its default, and examples`, () => {
      const text = renderHelp(command, commandTable, layout);
      const words = text.replaceAll(/\s+/g, " ");
      for (const option of command.options) {
        assert.match(
          text,
          new RegExp(`^  ${option.short === undefined ? "    " : `-${option.short}, `}--${option.name}\\b`, "m"),
        );
        if (option.kind !== "flag" && option.default !== undefined) {
          assert.ok(words.includes(`(default: ${option.default}`), `default of --${option.name}`);
        }
      }
      assert.ok(command.examples.length > 0);
      for (const example of command.examples) assert.ok(text.includes(`  ${example.command}\n`));
    });

    test(`${command.name}: its examples are command lines that the parser takes`, () => {
      for (const example of command.examples) {
        const [program, ...argv] = [...example.command.matchAll(/'([^']*)'|(\S+)/g)].map(
          (word) => word[1] ?? word[2] ?? "",
        );
        assert.equal(program, "naru");
        assert.equal(parseCommandLine(argv, commandTable).kind, command.name === "help" ? "help" : "run");
      }
    });

    test(`${command.name}: every line fits into 80 columns, commands to copy aside`, () => {
      const text = renderHelp(command, commandTable, { ...layout, width: 80 });
      for (const line of text.split("\n")) assert.ok(line.length <= 80 || line.startsWith("  naru "), line);
    });

    test(`${command.name}: no option stands twice`, () => {
      const names = command.options.flatMap(({ name, short }) => (short === undefined ? [name] : [name, short]));
      assert.deepEqual(names, [...new Set(names)]);
    });
  }
});
