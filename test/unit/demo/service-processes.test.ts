// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { startServiceProcesses } from "../../../src/roles/demo/service-processes.ts";

const ready = `process.stdout.write('{"listening":7}\\n');`;

/** A folder of programs that stand in for services; a file of each name holds its process id. */
function programs(sources: Readonly<Record<string, string>>): {
  readonly folder: string;
  pid(name: string): number;
  [Symbol.dispose](): void;
} {
  const folder = mkdtempSync(join(tmpdir(), "naru-test-"));
  for (const [name, source] of Object.entries(sources)) {
    const note = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(join(folder, name))}, String(process.pid));`;
    writeFileSync(join(folder, `${name}.ts`), `${note}\n${source}\n`);
  }
  return {
    folder,
    pid: (name) => Number(readFileSync(join(folder, name), "utf8")),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

const start = (folder: string, names: readonly string[], readyTimeoutMs = 20_000) =>
  startServiceProcesses(
    names.map((app) => ({ app, version: "v9" })),
    { folder, meshUrl: "http://127.0.0.1:1", readyTimeoutMs },
  );

/** Throws ESRCH once the process is gone. */
const probe = (pid: number) => () => process.kill(pid, 0);

const serves = `${ready} process.on("disconnect", () => process.exit()); process.on("SIGTERM", () => process.exit());`;

describe("service processes", () => {
  test("are started with their options, and stopped together", async () => {
    const keepsArguments = `writeFileSync(process.argv[1].replace(".ts", ".args"), process.argv.slice(2).join(" "));`;
    using files = programs({ one: `${keepsArguments} ${serves}`, two: serves });
    const group = await start(files.folder, ["one", "two"]);
    assert.deepEqual(
      group.processes.map(({ app, version, port, pid }) => ({ app, version, port, pid })),
      ["one", "two"].map((app) => ({ app, version: "v9", port: 7, pid: files.pid(app) })),
    );
    const given = readFileSync(join(files.folder, "one.args"), "utf8");
    assert.equal(given, "--port 0 --version v9 --mesh http://127.0.0.1:1");
    await group.stop(10_000);
    for (const { pid } of group.processes) assert.throws(probe(pid), { code: "ESRCH" });
  });

  test("are killed when they do not want to end", async () => {
    using files = programs({
      stubborn: `${ready} process.on("SIGTERM", () => {}); process.on("disconnect", () => {}); setInterval(() => {}, 1000);`,
    });
    const group = await start(files.folder, ["stubborn"]);
    await group.stop(1);
    assert.throws(probe(group.processes[0]!.pid), { code: "ESRCH" });
  });

  test("are reported when one dies, with what it last said", async () => {
    using files = programs({
      mortal: `${serves} process.stderr.write("out of luck\\n"); setTimeout(() => process.exit(3), 1);`,
      other: serves,
    });
    const group = await start(files.folder, ["mortal", "other"]);
    const text = await group.firstDeath;
    assert.equal(text, `service mortal v9 (process ${files.pid("mortal")}) ended: exit code 3\nout of luck`);
    await group.stop(10_000);
  });

  for (const [what, source, message] of [
    [
      "ends at once",
      `process.stderr.write("no luck"); process.exit(4);`,
      /service bad v9 \(process \d+\) ended: exit code 4\nno luck/,
    ],
    [
      "says something else",
      `console.log("hello"); setInterval(() => {}, 1000);`,
      /bad v9 said "hello" instead of where it listens/,
    ],
    ["cannot be parsed", "enum Broken {}", /service bad v9 .* ended: exit code 1[^]*ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX/],
  ] as const) {
    test(`leave none running when one of them ${what}`, async () => {
      using files = programs({ good: serves, bad: source });
      await assert.rejects(start(files.folder, ["good", "bad"]), { message });
      assert.throws(probe(files.pid("good")), { code: "ESRCH" });
    });
  }

  test("are given up when they are not ready in time", async () => {
    using files = programs({ slow: "setInterval(() => {}, 1000);" });
    await assert.rejects(start(files.folder, ["slow"], 1), { message: "slow v9 is not ready after 1 ms" });
  });
});
