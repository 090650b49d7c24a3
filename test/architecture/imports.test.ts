// SPDX-License-Identifier: Apache-2.0
// Holds every import of src/ against the layering rules, and the rules against planted violations.

import assert from "node:assert/strict";
import { test } from "node:test";

import { checkImports } from "./layers.ts";
import { fixture, readFiles } from "./repository.ts";
import { readImports } from "./scanner.ts";

test("src/ keeps the layering rules", () => {
  const files = readFiles((path) => path.startsWith("src/"));
  assert.ok(files.size > 10, "the sources were found");
  assert.deepEqual(checkImports(files), []);
});

test("OpenTelemetry is loaded by one file, and that one on demand", () => {
  const users = new Set<string>();
  const importers: string[] = [];
  for (const [path, text] of readFiles((each) => each.startsWith("src/"))) {
    for (const { specifier, dynamic, typeOnly } of readImports(text)) {
      if (specifier.startsWith("@opentelemetry/")) users.add(path);
      if (specifier.endsWith("/otel.ts") && !typeOnly) importers.push(`${path} ${dynamic ? "on demand" : "at once"}`);
    }
  }
  assert.deepEqual([...users], ["src/telemetry/tracing/otel.ts"]);
  assert.deepEqual(importers, ["src/telemetry/tracing/span-exporter.ts on demand"]);
});

const allowed = {
  "upwards types": { "src/router/a.ts": 'import type { Problem } from "../model/index.ts";' },
  "the telemetry port": { "src/proxy/a.ts": 'import type { Logger } from "../telemetry/port.ts";' },
  "a folder's own files": { "src/proxy/http1/a.ts": 'import { b } from "../pipeline.ts";' },
  "everything in a role": {
    "src/roles/a.ts": 'import { b } from "../proxy/index.ts"; const c = await import("../telemetry/index.ts");',
  },
  "isIP in addresses": { "src/core/addresses.ts": 'import { isIP } from "node:net";' },
};

for (const [name, files] of Object.entries(allowed)) {
  test(`allowed: ${name}`, () => assert.deepEqual(checkImports(fixture(files)), []));
}

const forbidden = {
  "sibling planes": { "src/proxy/a.ts": 'import { b } from "../announce/index.ts";' },
  "types between sibling planes": { "src/inject/a.ts": 'import type { B } from "../proxy/index.ts";' },
  "a dynamic import upwards": { "src/model/a.ts": 'const b = await import("../router/index.ts");' },
  "a type query upwards": { "src/core/a.ts": 'export type B = typeof import("../model/index.ts");' },
  "a re-export upwards": { "src/core/a.ts": 'export { b } from "../config/index.ts";' },
  "a star re-export upwards": { "src/core/a.ts": 'export * from "../config/index.ts";' },
  "an import over several lines": { "src/core/a.ts": 'import {\n  type A,\n  b, // "c"\n} from "../config/index.ts";' },
  "past an index": { "src/proxy/a.ts": 'import { b } from "../router/trie.ts";' },
  "past an index into a sub-folder": { "src/roles/a.ts": 'import { b } from "../config/link/index.ts";' },
  "the rest of telemetry": { "src/proxy/a.ts": 'import { b } from "../telemetry/index.ts";' },
  "cli outside the roles": { "src/config/a.ts": 'import { b } from "../cli/index.ts";' },
  "a role as a library": { "src/config/a.ts": 'import { b } from "../roles/up.ts";' },
  "I/O in core": { "src/core/a.ts": 'import { readFileSync } from "node:fs";' },
  "more than isIP in addresses": { "src/core/addresses.ts": 'import { connect, isIP } from "node:net";' },
  "a bare import of a built-in": { "src/router/a.ts": 'import "node:fs";' },
  "node:http on the proxied path": { "src/proxy/a.ts": 'import { request } from "node:http";' },
  "undici on the proxied path": { "src/proxy/a.ts": 'import { Pool } from "undici";' },
  "foreign functions outside platform": { "src/proxy/a.ts": 'import { dlopen } from "node:ffi";' },
  "a package of another folder": { "src/proxy/a.ts": 'import { Registry } from "prom-client";' },
  "a built-in without its prefix": { "src/config/a.ts": 'import { readFileSync } from "fs";' },
  "tests in the product": { "src/proxy/a.ts": 'import { b } from "../../test/support/tools.ts";' },
  "a computed import": { "src/proxy/a.ts": "const b = await import(name);" },
  "a folder nobody has placed": { "src/utils/a.ts": 'import { b } from "../core/index.ts";' },
  "a cycle": { "src/core/a.ts": 'import { b } from "./b.ts";', "src/core/b.ts": 'import { a } from "./a.ts";' },
};

for (const [name, files] of Object.entries(forbidden)) {
  test(`caught: ${name}`, () => assert.equal(checkImports(fixture(files)).length, 1));
}

test("types alone make no cycle", () => {
  const files = { "src/core/a.ts": 'import type { B } from "./b.ts";', "src/core/b.ts": 'import { a } from "./a.ts";' };
  assert.deepEqual(checkImports(fixture(files)), []);
});

test("text that only looks like an import is not one", () => {
  const source = [
    "// import { a } from '../comment.ts';",
    "/* export * from '../block.ts'; it's one */",
    "const b = /* a / b */ c; /* import '../second.ts' */",
    `const quoted = "import { a } from '../string.ts'";`,
    "const template = `import { a } from '../template.ts' ${`${inner}`} import '../rest.ts'`;",
    "const pattern = /import '..\\/regex.ts' [\"'/`]/;",
    "const half = total / 2; const other = ratio / 3; // import '../division.ts'",
    "const meta = import.meta.url; object.import('../method.ts');",
    "export const from = 'here'; export type Local = string; export { from as there };",
    'import { real } from "../real.ts";',
  ].join("\n");
  assert.deepEqual(
    readImports(source).map(({ specifier, line }) => ({ specifier, line })),
    [{ specifier: "../real.ts", line: 10 }],
  );
});

test("imports inside template holes are read", () => {
  const found = readImports('const text = `a ${ { b: (await import("../x.ts")).c }.b } d`;');
  assert.deepEqual(found, [{ specifier: "../x.ts", names: [], typeOnly: false, dynamic: true, line: 1 }]);
});

test("names and kinds of imports are read", () => {
  const read = (source: string) =>
    readImports(source).map(({ names, typeOnly, dynamic }) => ({ names, typeOnly, dynamic }));
  assert.deepEqual(read('import a, { type B, c as d } from "x";'), [
    { names: ["a", "B", "c"], typeOnly: false, dynamic: false },
  ]);
  assert.deepEqual(read('import * as a from "x";'), [{ names: ["*"], typeOnly: false, dynamic: false }]);
  assert.deepEqual(read('import type { A } from "x";'), [{ names: ["A"], typeOnly: true, dynamic: false }]);
  assert.deepEqual(read('import a from "x" with { type: "json" };'), [
    { names: ["a"], typeOnly: false, dynamic: false },
  ]);
  assert.deepEqual(read('const a = await import("x");'), [{ names: [], typeOnly: false, dynamic: true }]);
  assert.deepEqual(read('let a: import("x").A;'), [{ names: [], typeOnly: true, dynamic: true }]);
});
