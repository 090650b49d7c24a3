// SPDX-License-Identifier: Apache-2.0
// Holds every source file against the rules of size and style, and each rule against a planted violation.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fixture, listFiles, readFiles } from "./repository.ts";
import { checkStyle, exceptions } from "./style.ts";

const head = "// SPDX-License-Identifier: Apache-2.0\n// An example.\n";

test("all TypeScript keeps the rules of size and style", () => {
  const files = readFiles((path) => path.endsWith(".ts"));
  assert.ok(files.size > 10, "the sources were found");
  assert.deepEqual(checkStyle(files), []);
});

test("exceptions name files that exist", () => {
  const tracked = new Set(listFiles());
  assert.deepEqual(
    Object.keys(exceptions).filter((path) => !tracked.has(path)),
    [],
  );
});

const caught = {
  "SPDX line": { "src/core/a.ts": "export const a = 1;\n// More.\n" },
  "header comment": { "src/core/a.ts": "// SPDX-License-Identifier: Apache-2.0\nexport const a = 1;\n" },
  "file size": { "src/core/a.ts": `${head}${"export {};\n".repeat(400)}` },
  "index size": {
    "src/core/index.ts": `${head}export { ${Array.from({ length: 16 }, (_, index) => `name${index}`).join(", ")} } from "./a.ts";\n`,
  },
  "file name": { "src/core/badName.ts": head },
  any: { "src/core/a.ts": `${head}export function a(b: Record<string, any>) {}\n` },
  enum: { "src/core/a.ts": `${head}enum A { B }\n` },
  "default export": { "src/core/a.ts": `${head}export default 1;\n` },
  "silenced checker": { "src/core/a.ts": `${head}const a = 1; // @ts-ignore\n` },
  environment: { "src/proxy/a.ts": `${head}const a = process.env["A"];\n` },
  "time and chance": { "src/proxy/a.ts": `${head}const a = Date.now();\n` },
  skip: { "test/unit/a.test.ts": `${head}test.skip("a", () => {});\n` },
};

for (const [rule, files] of Object.entries(caught)) {
  test(`caught: ${rule}`, () => {
    const [only, ...more] = checkStyle(fixture(files));
    assert.ok(only?.includes(`[${rule}]`), only ?? "nothing was found");
    assert.deepEqual(more, []);
  });
}

const alsoCaught = {
  any: ["let a: any;", "const a = b as any;", "type A = any;", "const a = (b: any[]) => b;", "let a: string | any;"],
  "default export": ["export { a as default };"],
  "silenced checker": ["/* oxlint-disable no-console */"],
  "time and chance": ["const a = performance.now();", "const a = Math.random();", "const a = new Date();"],
};

for (const [rule, lines] of Object.entries(alsoCaught)) {
  for (const line of lines) {
    test(`caught: ${rule} in ${line}`, () => {
      assert.deepEqual(
        checkStyle(fixture({ "src/proxy/a.ts": `${head}${line}\n` })).map(
          (found) => found.split(" [")[1]?.split("]")[0],
        ),
        [rule],
      );
    });
  }
}

const allowed = [
  "const a = { any: 1, default: 2 };",
  "// any enum, export default and Date.now() in a comment",
  'const a = "process.env any Date.now()";',
  "const a = list.any(1) || matcher.any;",
  "switch (a) { default: break; }",
  "const a = new Date(0);",
];

for (const line of allowed) {
  test(`allowed: ${line}`, () => assert.deepEqual(checkStyle(fixture({ "src/proxy/a.ts": `${head}${line}\n` })), []));
}

test("types do not count towards the size of an index", () => {
  const names = Array.from({ length: 15 }, (_, index) => `name${index}`).join(", ");
  const index = `${head}export { ${names}, type A, type B } from "./a.ts";\nexport type { C } from "./c.ts";\n`;
  assert.deepEqual(checkStyle(fixture({ "src/core/index.ts": index })), []);
});
