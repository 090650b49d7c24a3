// SPDX-License-Identifier: Apache-2.0
// Holds the documents against the repository: generated tables, paths, links, npm scripts, traces of a machine.

import assert from "node:assert/strict";
import { test } from "node:test";

import { generateDocs } from "../../scripts/generate-docs.ts";
import { errorTable } from "../../src/core/index.ts";
import { problemCodes } from "../../src/model/index.ts";
import { checkPaths, checkScripts, checkTraces } from "./docs.ts";
import { fixture, listFiles, readFiles } from "./repository.ts";

const documents = readFiles((path) => path.endsWith(".md") && !path.startsWith("test/fixtures/"));

test("generated documents are up to date (npm run docs)", () => {
  const outdated = [...generateDocs()].flatMap(([path, text]) => {
    const found = (documents.get(path) ?? "").split("\n");
    return text.split("\n").flatMap((line, index) => (line === found[index] ? [] : [`${path}:${index + 1} ${line}`]));
  });
  assert.deepEqual(outdated.slice(0, 3), []);
});

for (const [path, codes] of [
  ["docs/errors.md", Object.keys(errorTable)],
  ["docs/problems.md", Object.keys(problemCodes)],
] as const) {
  test(`${path} lists every code and no other`, () => {
    const rows = (documents.get(path) ?? "").matchAll(/^\| `([A-Z_0-9]+)`/gm);
    assert.deepEqual(
      [...rows].map(([, code]) => code),
      codes,
    );
  });
}

test("paths and links in the documents exist", () => {
  assert.ok(documents.has("README.md") && documents.has("ARCHITECTURE.md") && documents.has("CONTRIBUTING.md"));
  assert.deepEqual(checkPaths(documents, new Set(listFiles())), []);
});

test("npm scripts named in the documents exist", () => {
  const manifest = JSON.parse(readFiles((path) => path === "package.json").get("package.json")!) as { scripts: object };
  assert.deepEqual(checkScripts(documents, new Set(Object.keys(manifest.scripts))), []);
});

test("the README's test command is the one CI runs", () => {
  const command = "\nnpm ci && npm test";
  assert.ok(documents.get("README.md")!.includes(command));
  assert.ok(
    readFiles((path) => path === ".ci/run")
      .get(".ci/run")!
      .includes(command),
  );
});

test("no file tells on the machine it was written on", () => {
  const text = /\.(?:ts|js|mjs|json|md|sh|svg|html|css)$|^\.ci\//;
  const files = readFiles(
    (path) => text.test(path) && !path.startsWith("test/architecture/docs") && !path.startsWith("test/fixtures/"),
  );
  assert.deepEqual(checkTraces(files), []);
});

const paths = new Set(["src/core/errors.ts", "docs/a.md", "package.json"]);
const fine =
  "See `src/core/errors.ts`, `src/core/`, `src/core/*.ts`, `src/core/errors.ts:12`, `package.json`, `GET /a/b`, [a](a.md#top), [b](https://x.y/z).";

test("documents in order are left alone", () =>
  assert.deepEqual(checkPaths(fixture({ "docs/b.md": fine }), paths), []));

for (const wrong of [
  "`src/core/gone.ts`",
  "`src/gone/`",
  "`src/gone/*.ts`",
  "`test/unit`",
  "`ROADMAP.md`",
  "[a](gone.md)",
  "[a](../src/gone.ts)",
]) {
  test(`caught: ${wrong}`, () => assert.equal(checkPaths(fixture({ "docs/b.md": wrong }), paths).length, 1));
}

test("caught: an npm script that is gone", () => {
  const found = checkScripts(
    fixture({ "README.md": "`npm run build`, `npm run gone:now`, npm run-script" }),
    new Set(["build"]),
  );
  assert.deepEqual(found, ["README.md: there is no npm run gone:now"]);
});

for (const trace of [
  "cd /Users/somebody/x",
  '"/home/somebody/x"',
  "at /root/x.js",
  "(/tmp/x)",
  '"resolved": "x"',
  "https://registry.example/x",
]) {
  test(`caught: ${trace}`, () => assert.equal(checkTraces(fixture({ "a.json": trace })).length, 1));
}

test("paths of services and packages are no traces", () => {
  const text = "GET /api/home/work; ./tmp/x; node_modules/a; https://example.com/root/x; docs/home/x";
  assert.deepEqual(checkTraces(fixture({ "a.md": text })), []);
});
