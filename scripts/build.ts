// SPDX-License-Identifier: Apache-2.0
// Bundles src/ into dist/: entries for the program, its workers and the builds of its configuration, ES modules. What the program imports lazily
// stays a chunk of its own, so that nobody pays memory and start-up time for a parser or a regular-expression engine that
// is not used.

import { createHash } from "node:crypto";
import { chmodSync, globSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const shebang = "#!/usr/bin/env node";
/** Dependencies in CommonJS call require() for Node's own modules, which an ES module has to make for itself. */
const requireForCommonJs =
  'import { createRequire as naruCreateRequire } from "node:module"; const require = naruCreateRequire(import.meta.url);';

/** Of all that the bundle is made of: src/model/build-id.ts. */
function buildId(): string {
  const hash = createHash("sha256");
  for (const path of [...globSync("src/**/*.ts", { cwd: root }).sort(), "package.json", "package-lock.json"]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(`${root}${path}`))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 12);
}

rmSync(`${root}dist`, { recursive: true, force: true });
const result = await build({
  absWorkingDir: root,
  entryPoints: [
    { in: "src/main.ts", out: "main" },
    // Beside the chunks that start them (src/roles/workers/pool.ts, src/config/scaling-builder.ts), as they are in src/.
    { in: "src/roles/workers/worker.ts", out: "chunks/worker" },
    { in: "src/config/build-process.ts", out: "chunks/build-process" },
  ],
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node26",
  format: "esm",
  sourcemap: "linked",
  sourcesContent: false,
  legalComments: "linked",
  banner: { js: `${shebang}\n${requireForCommonJs}` },
  define: { NARU_BUILD: JSON.stringify(buildId()) },
  metafile: true,
  logLevel: "warning",
});

chmodSync(`${root}dist/main.js`, 0o755);
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (path.endsWith(".js")) console.log(`${path} ${Math.ceil(output.bytes / 1024)} KiB`);
}
