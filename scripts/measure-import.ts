// SPDX-License-Identifier: Apache-2.0
// What a module costs to have: `node scripts/measure-import.ts yaml re2js …` prints the time to import each and the
// private memory (RssAnon, Linux) it adds to an empty process; median of several fresh processes.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const runs = 7;

/** Runs in the child: prints milliseconds and KiB. */
const probe = `
  const { readFileSync } = await import("node:fs");
  const rssAnonKiB = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  gc();
  const before = rssAnonKiB();
  const start = performance.now();
  if (process.argv[1] !== "nothing") await import(process.argv[1]);
  const elapsedMs = performance.now() - start;
  gc();
  console.log(elapsedMs, rssAnonKiB() - before);
`;

function measure(module: string): { readonly elapsedMs: number; readonly addedKiB: number } {
  const samples = Array.from({ length: runs }, () =>
    execFileSync(process.execPath, ["--expose-gc", "--input-type=module", "--eval", probe, module], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      encoding: "utf8",
    })
      .trim()
      .split(" ")
      .map(Number),
  );
  return { elapsedMs: median(samples.map(([ms]) => ms!)), addedKiB: median(samples.map(([, kib]) => kib!)) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

for (const module of process.argv.slice(2)) {
  const { elapsedMs, addedKiB } = measure(module);
  console.log(
    `${module.padEnd(24)} ${elapsedMs.toFixed(1).padStart(7)} ms ${(addedKiB / 1024).toFixed(1).padStart(7)} MiB RssAnon`,
  );
}
