// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { runNaru } from "../cli/support/run-naru.ts";

const example = fileURLToPath(new URL("../../examples/bookinfo", import.meta.url));
const manifests = join(example, "manifests");
const variations = readdirSync(join(example, "variations")).map((name) => join(example, "variations", name));
const common = ["gateway.yaml", "services.yaml", "destination-rules.yaml"].map((name) => join(manifests, name));

describe("the example's configuration", () => {
  test("has no problem as it stands", async () => {
    const { code, stdout } = await runNaru(["validate", manifests, "--warnings-as-errors"]);
    assert.equal(code, 0, stdout);
  });

  for (const variation of variations) {
    const name = variation.slice(example.length + 1);
    test(`has none with ${name} either`, async () => {
      const { code, stdout } = await runNaru(["validate", ...common, variation, "--warnings-as-errors"]);
      assert.equal(code, 0, stdout);
    });

    test(`its README explains ${name}`, () => {
      assert.ok(readFileSync(join(example, "README.md"), "utf8").includes(`](${name})`));
    });
  }
});
