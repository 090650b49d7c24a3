// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { displayWidth, renderTable, wrapText } from "../../../src/cli/table.ts";

suite("renderTable", () => {
  const columns = [{ title: "HOST" }, { title: "WEIGHT", align: "right" as const }, { title: "WHERE" }];

  test("aligns columns and leaves no blanks at line ends", () => {
    const text = renderTable(
      columns,
      [
        ["shop.example", "90", "a.yaml:3"],
        ["*", "5", ""],
      ],
      null,
    );
    assert.equal(text, "HOST          WEIGHT  WHERE\nshop.example      90  a.yaml:3\n*                  5\n");
  });

  test("keeps one line per row without a width, however long", () => {
    const text = renderTable(columns, [["h".repeat(300), "1", "w".repeat(300)]], null);
    assert.equal(text.split("\n").length, 3);
  });

  test("stays within the width by continuing cells below themselves, and loses nothing", () => {
    const where = "config/production/virtual-service-reviews.yaml:31:5";
    const text = renderTable(columns, [["reviews.shop.svc.cluster.local", "100", where]], 48);
    const lines = text.trimEnd().split("\n");
    for (const line of lines) assert.ok(line.length <= 48, line);
    assert.equal(
      lines
        .slice(1)
        .map((line) => line.slice(-line.length + line.search(/\S+$/)))
        .join(""),
      where,
    );
  });

  test("counts Hangul as two columns", () => {
    assert.equal(displayWidth("나루"), 4);
    assert.equal(renderTable([{ title: "A" }, { title: "B" }], [["나루", "x"]], null), "A     B\n나루  x\n");
  });
});

suite("wrapText", () => {
  test("breaks at spaces, after slashes, and only then inside words", () => {
    assert.deepEqual(wrapText("one two three", 8), ["one two", "three"]);
    assert.deepEqual(wrapText("config/shop/a.yaml", 12), ["config/shop/", "a.yaml"]);
    assert.deepEqual(wrapText("as http://shop/cart, say", 14), ["as", "http://shop/", "cart, say"]);
    assert.deepEqual(wrapText("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert.deepEqual(wrapText("", 4), [""]);
  });

  test("loses no letter at any width", () => {
    const text = "Host header of the request, e.g. shop.example or 10.0.0.1:8080";
    for (let width = 1; width < 70; width++) {
      assert.equal(wrapText(text, width).join("").replaceAll(" ", ""), text.replaceAll(" ", ""), `width ${width}`);
    }
  });
});
