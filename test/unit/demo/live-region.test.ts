// SPDX-License-Identifier: Apache-2.0
// Against a small terminal that understands what the region sends, so that the outcome counts and not the bytes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { LiveRegion } from "../../../src/roles/demo/live-region.ts";

class Screen {
  columns: number;
  rows = 10;
  lines: string[] = [""];
  #row = 0;
  cursorShown = true;

  constructor(columns: number) {
    this.columns = columns;
  }

  /** Wraps what stands there as a terminal does when its window becomes narrower; the cursor stays at the end. */
  narrow(columns: number): void {
    this.columns = columns;
    this.lines = this.lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, "g")) ?? [""]);
    this.#row = this.lines.length - 1;
  }

  write(text: string): void {
    const [first = "", ...others] = text.split("\u001b");
    this.#print(first);
    for (const part of others) {
      const [sequence = ""] = /^\[\??\d*[A-Za-z]/.exec(part) ?? [];
      this.#control(sequence);
      this.#print(part.slice(sequence.length));
    }
  }

  #print(text: string): void {
    for (const [index, line] of text.split("\n").entries()) {
      if (index > 0) this.lines[++this.#row] ??= "";
      this.lines[this.#row] += line.replaceAll("\r", "");
    }
  }

  #control(sequence: string): void {
    if (sequence === "[J") {
      this.lines.length = this.#row + 1;
      this.lines[this.#row] = "";
    } else if (sequence === "[?25l" || sequence === "[?25h") {
      this.cursorShown = sequence === "[?25h";
    } else if (sequence.endsWith("A")) {
      this.#row = Math.max(0, this.#row - Number(sequence.slice(1, -1)));
    } else {
      assert.match(sequence, /^\[\d+m$/);
    }
  }
}

describe("the live region", () => {
  test("draws in place, below what was there", () => {
    const screen = new Screen(20);
    const region = new LiveRegion(screen);
    screen.write("above\n");
    region.draw(["one", "two", "three"]);
    region.draw(["eins", "zwei"]);
    assert.deepEqual(screen.lines, ["above", "eins", "zwei", ""]);
  });

  test("lets others write above it", () => {
    const screen = new Screen(20);
    const region = new LiveRegion(screen);
    region.print(() => screen.write("early\n"));
    region.draw(["table"]);
    region.print(() => screen.write("log\n"));
    assert.deepEqual(screen.lines, ["early", "log", "table", ""]);
    region.draw(["table 2"]);
    assert.deepEqual(screen.lines, ["early", "log", "table 2", ""]);
  });

  test("clears lines that the terminal has wrapped since, colours not counted", () => {
    const screen = new Screen(12);
    const region = new LiveRegion(screen);
    screen.write("above\n");
    region.draw(["\u001b[1m0123456789\u001b[22m", "", "ab"]);
    screen.narrow(5);
    region.draw(["short"]);
    assert.deepEqual(screen.lines, ["above", "short", ""]);
  });

  test("leaves out what the window is too low for", () => {
    const screen = new Screen(20);
    screen.rows = 3;
    const region = new LiveRegion(screen);
    region.draw(["one", "two", "three"]);
    region.draw(["eins", "zwei", "drei"]);
    assert.deepEqual(screen.lines, ["eins", "zwei", ""]);
  });

  test("hides the cursor while it lives and gives it back once", () => {
    const screen = new Screen(20);
    const region = new LiveRegion(screen);
    region.end();
    assert.deepEqual(screen.lines, [""]);
    region.draw(["one"]);
    assert.equal(screen.cursorShown, false);
    region.end();
    assert.equal(screen.cursorShown, true);
    screen.write("after");
    region.end();
    assert.deepEqual(screen.lines, ["one", "after"]);
  });

  test("assumes 80 columns and 24 rows where the terminal does not say", () => {
    const written: string[] = [];
    const region = new LiveRegion({ write: (text: string) => written.push(text), columns: 0, rows: 0 });
    assert.equal(region.width, 80);
    region.draw(Array.from({ length: 30 }, (_, index) => `line ${index}`));
    assert.equal(written.join("").split("\n").length - 1, 23);
  });
});
