// SPDX-License-Identifier: Apache-2.0
// Manifests that people use today load as they are.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { decodeDocuments } from "../../../../src/config/decode/index.ts";

const samples = join(import.meta.dirname, "../../../fixtures/samples");
const files = ["seeds", "istio-bookinfo"].flatMap((folder) =>
  readdirSync(join(samples, folder))
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => join(folder, name)),
);

describe("samples", () => {
  for (const file of files) {
    it(file, () => {
      const result = decodeDocuments(file, readFileSync(join(samples, file), "utf8"), 0);
      assert.deepEqual(
        result.problems.filter(({ severity, code }) => severity === "error" || code === "UNKNOWN_FIELD"),
        [],
      );
      assert.equal(result.complete, true);
      assert.deepEqual(result.rejected, []);
      assert.ok(result.resources.length + result.ignored.length > 0, "nothing was found in it");
    });
  }

  it("finds every sample", () => assert.ok(files.length >= 21, String(files.length)));
});
