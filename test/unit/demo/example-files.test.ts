// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, test } from "node:test";

import { parseAllDocuments } from "yaml";

import { openExampleFiles, workloadEntries } from "../../../src/roles/demo/example-files.ts";
import { bookinfoServices } from "../../../src/roles/demo/service-processes.ts";

const processes = bookinfoServices.map((spec, index) => ({ ...spec, pid: 1, port: 40_000 + index }));

/** A package with a small example in it, as `prefix` says where. */
function makePackage(prefix: string): { readonly root: string; readonly dist: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), "naru-test-"));
  const root = join(folder, prefix);
  const dist = join(root, "dist", "chunks");
  for (const part of ["manifests", "services"])
    mkdirSync(join(root, "examples", "bookinfo", part), { recursive: true });
  mkdirSync(dist, { recursive: true });
  for (const name of ["routing.yaml", "gateway.yaml"])
    writeFileSync(join(root, "examples/bookinfo/manifests", name), "");
  writeFileSync(join(root, "examples/bookinfo/services/details.ts"), "export {};\n");
  return { root, dist, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

describe("the example's files", () => {
  test("are found from the bundle, and their services run where they lie", () => {
    using installed = makePackage("naru");
    const files = openExampleFiles(installed.dist, null);
    assert.equal(files.servicesFolder, join(installed.root, "examples/bookinfo/services"));
    assert.equal(files.paths[0], join(installed.root, "examples/bookinfo/manifests"));
    assert.equal(files.routingFile, join(installed.root, "examples/bookinfo/manifests/routing.yaml"));
    files.remove();
  });

  test("are copied out of node_modules, where Node runs no TypeScript", () => {
    using installed = makePackage("node_modules/naru");
    const files = openExampleFiles(installed.dist, null);
    assert.ok(!files.servicesFolder.includes("node_modules"));
    assert.ok(existsSync(join(files.servicesFolder, "details.ts")));
    files.remove();
    assert.ok(!existsSync(files.servicesFolder));
  });

  test("give way to other routes", () => {
    using installed = makePackage("naru");
    const files = openExampleFiles(installed.dist, "mine.yaml");
    assert.deepEqual(
      files.paths.map((path) => basename(path)),
      ["gateway.yaml", "mine.yaml", "workloads.yaml"],
    );
    assert.equal(files.routingFile, "mine.yaml");
    files.remove();
  });

  test("are missed by name", () => {
    const folder = mkdtempSync(join(tmpdir(), "naru-test-"));
    assert.throws(() => openExampleFiles(folder, null), /examples.bookinfo is not part of this installation/);
    rmSync(folder, { recursive: true });
  });

  test("hold the ports of the services until they are removed", () => {
    using installed = makePackage("naru");
    const files = openExampleFiles(installed.dist, null);
    const workloads = files.paths.at(-1)!;
    assert.equal(parseAllDocuments(readFileSync(workloads, "utf8")).length, 0);
    files.writeWorkloads(processes);
    assert.equal(readFileSync(workloads, "utf8"), workloadEntries(processes));
    files.remove();
    assert.ok(!existsSync(workloads));
  });

  test("describe each service as a WorkloadEntry of its own", () => {
    const entries = parseAllDocuments(workloadEntries(processes)).map((document) => document.toJSON() as unknown);
    assert.equal(entries.length, 6);
    assert.deepEqual(entries[3], {
      apiVersion: "networking.istio.io/v1",
      kind: "WorkloadEntry",
      metadata: { name: "reviews-v2" },
      spec: { address: "127.0.0.1", ports: { http: 40_003 }, labels: { app: "reviews", version: "v2" } },
    });
  });
});
