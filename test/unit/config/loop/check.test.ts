// SPDX-License-Identifier: Apache-2.0
// The one-shot check over real files, and the source feeding the loop.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkConfig } from "../../../../src/config/index.ts";
import { gatewayOptions } from "../compile/builders.ts";

const samples = join(import.meta.dirname, "../../../fixtures/samples");

describe("checkConfig", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "naru-check-"));
    await writeFile(join(folder, "broken.yaml"), "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: [\n");
  });
  after(() => rm(folder, { recursive: true }));

  it("takes the Bookinfo samples unchanged", async () => {
    const paths = [
      "bookinfo.yaml",
      "bookinfo-gateway.yaml",
      "destination-rule-all.yaml",
      "virtual-service-all-v1.yaml",
    ];
    const checked = await checkConfig(
      paths.map((path) => join(samples, "istio-bookinfo", path)),
      { ...gatewayOptions, mesh: { bind: "127.0.0.1", port: 15_001 } },
    );
    assert.deepEqual(checked.problems, []);
    assert.deepEqual(
      checked.routing.listeners.map(({ name }) => name),
      ["gateway_0.0.0.0_8080", "mesh"],
    );
    assert.deepEqual(
      checked.ignored.map(({ kind, count }) => `${kind}:${count}`),
      ["ServiceAccount:4", "Deployment:6"],
    );
    const names = checked.routing.routeTables.get("9080")?.hosts.map((host) => host.name.split(".")[0]);
    assert.deepEqual(names, ["productpage", "details", "ratings", "reviews", "block_all"]);
  });

  it("compiles nothing for a process that serves nothing, and reads all the same", async () => {
    const folders = [join(samples, "istio-bookinfo"), join(samples, "seeds/bookinfo-gateway.yaml")];
    const served = await checkConfig(folders, gatewayOptions);
    const checked = await checkConfig(folders, { ...gatewayOptions, gateway: false });
    assert.equal(checked.compiled, "nothing");
    assert.deepEqual([checked.routing.clusters.size, checked.endpoints.endpoints.size], [0, 0]);
    assert.deepEqual(checked.resources, served.resources);
    assert.ok(checked.resources.length > 0);
    // What contradicts what is for those to say who need it.
    assert.ok(served.problems.length > checked.problems.length);
  });

  it("goes on after a file that cannot be read and one that is not YAML", async () => {
    const paths = [join(folder, "gone.yaml"), folder, join(samples, "seeds/bookinfo-gateway.yaml")];
    const checked = await checkConfig(paths, gatewayOptions);
    assert.deepEqual(
      checked.problems.map(({ code }) => code),
      ["FILE_UNREADABLE", "YAML_SYNTAX", "REFERENCE"],
    );
    assert.equal(checked.routing.listeners.length, 1);
  });
});
