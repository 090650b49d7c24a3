// SPDX-License-Identifier: Apache-2.0
// Files and directories, read and watched for real; every wait ends with a call of onChange.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createFileSource, readPaths, type FileSource, type SourceFile } from "../../../../src/config/source/index.ts";
import { readText } from "../../../../src/config/source/read-paths.ts";
import type { Problem } from "../../../../src/model/index.ts";
import { createLogger } from "../../../../src/telemetry/index.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "naru-source-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);
const write = (name: string, text: string): Promise<void> => writeFile(at(name), text);

/** `name=text` with the folder left out. */
function listing(files: readonly SourceFile[]): readonly string[] {
  return files.map(({ path, text }) => `${path.replace(`${folder}/`, "")}=${text}`);
}

describe("readPaths", () => {
  it("reads a directory in order of names, with what lies below, and nothing hidden or foreign", async () => {
    await mkdir(at("sub/.git"), { recursive: true });
    const names = [
      "b.yaml",
      "a.yml",
      "c.json",
      "sub/d.yaml",
      "notes.txt",
      ".hidden.yaml",
      ".#a.yml",
      "a.yml~",
      "#a.yml#",
      "x.yaml.swp",
      "sub/.git/e.yaml",
    ];
    for (const name of names) await write(name, name);
    const { files, problems } = await readPaths([folder]);
    assert.deepEqual(problems, []);
    assert.deepEqual(listing(files), ["a.yml=a.yml", "b.yaml=b.yaml", "c.json=c.json", "sub/d.yaml=sub/d.yaml"]);
  });

  it("reads a named file whatever it is called, and each file once", async () => {
    await write("config", "1");
    await write("a.yaml", "2");
    const { files } = await readPaths([at("config"), `${folder}/`, at("a.yaml")]);
    assert.deepEqual(listing(files), ["config=1", "a.yaml=2"]);
  });

  it("strips a byte order mark", async () => {
    await write("a.yaml", "\u{feff}a: b");
    assert.deepEqual(listing((await readPaths([folder])).files), ["a.yaml=a: b"]);
  });

  it("reports what cannot be read and reads the rest", async () => {
    await write("a.yaml", "ok");
    await writeFile(at("b.yaml"), Buffer.from([0x61, 0xff, 0xfe]));
    await writeFile(at("c.yaml"), Buffer.alloc(16 * 1024 * 1024 + 1, "#"));
    await symlink("loop.yaml", at("loop.yaml"));
    const { files, problems } = await readPaths([at("missing"), folder, "/dev/null"]);
    assert.deepEqual(listing(files), ["a.yaml=ok"]);
    const found = problems.map(({ code, severity, position, message }) => {
      const file = position.file.replace(`${folder}/`, "");
      return `${file}: ${severity} ${code} ${message.split(";")[0]}`;
    });
    assert.deepEqual(found, [
      "missing: error FILE_UNREADABLE there is no such file or directory",
      "loop.yaml: error FILE_UNREADABLE it cannot be read (ELOOP)",
      "/dev/null: error FILE_UNREADABLE this is neither a file nor a directory",
      "b.yaml: error FILE_UNREADABLE the file is not UTF-8 text",
      "c.yaml: error FILE_UNREADABLE the file is larger than 16 MiB",
    ]);
  });

  it("does not read an empty file, and says what becomes of what it held", async () => {
    await write("a.yaml", "");
    await write("b.yaml", "\n \n");
    await write("c.yaml", "# nothing\n");
    const { files, problems } = await readPaths([folder]);
    assert.deepEqual(listing(files), ["c.yaml=# nothing\n"]);
    assert.deepEqual(
      problems.map(({ code, severity, position }) => [code, severity, position.file]),
      [
        ["FILE_EMPTY", "warning", at("a.yaml")],
        ["FILE_EMPTY", "warning", at("b.yaml")],
      ],
    );
    assert.match(problems[0]!.message, /stays in force.*remove it/);
  });

  /** Opens files that change, from one of the given texts to the next, whenever the size is known and nothing is read yet. */
  function changing(...texts: readonly string[]): typeof open {
    const left = [...texts];
    return async (path) => {
      const file = await open(path);
      const read = file.readFile.bind(file);
      const { size } = await file.stat();
      file.readFile = (async () => {
        const next = left.shift();
        if (next === undefined) return await read();
        await writeFile(path, next);
        return Buffer.from(next).subarray(0, size);
      }) as unknown as typeof file.readFile;
      return file;
    };
  }

  it("reads a file again that is overwritten while it is read", async () => {
    for (const text of ["kind: [", "kind: Gateway and much more than before", "", "kind: Gate"]) {
      await write("a.yaml", "kind: Gate");
      const now = `${text}\nall of it`;
      assert.equal(await readText(at("a.yaml"), changing(text, now)), now);
    }
  });

  it("takes no part of a file for the whole when it never stops changing", async () => {
    await write("a.yaml", "0");
    const problem = await readText(at("a.yaml"), changing("10", "200", "3000", "40000"));
    assert.ok(typeof problem !== "string");
    assert.equal(problem.code, "FILE_UNREADABLE");
    assert.match(problem.message, /writes to it .* rename it/);
  });

  it("reads each directory once, also when links lead in a circle", async () => {
    await mkdir(at("sub"));
    await write("sub/a.yaml", "1");
    await symlink(folder, at("sub/again"));
    await symlink("sub", at("twin"));
    const { files, problems } = await readPaths([folder]);
    assert.deepEqual([listing(files), problems], [["sub/a.yaml=1"], []]);
  });

  it("does not go down for ever", async () => {
    await mkdir(at("d/".repeat(40)), { recursive: true });
    assert.match((await readPaths([folder])).problems[0]?.message ?? "", /more than 32 deep/);
  });
});

interface Change {
  readonly files: readonly string[];
  readonly problems: readonly Problem[];
}

/** A source under test whose changes can be awaited. */
class Watched {
  readonly clock = new FakeClock();
  readonly source: FileSource;
  readonly changes: Change[] = [];
  #wake: () => void = () => undefined;

  constructor(...paths: readonly string[]) {
    const logger = createLogger({
      clock: this.clock,
      write: () => undefined,
      level: "error",
      format: "json",
      colour: false,
    });
    this.source = createFileSource(paths, { clock: this.clock, logger }, (files, problems) => {
      this.changes.push({ files: listing(files), problems });
      this.#wake();
      return Promise.resolve();
    });
  }

  /** Resolves with the first change, past or future, that shows these files; a write in place may show its halves. */
  async until(...expected: readonly string[]): Promise<Change> {
    for (;;) {
      const last = this.changes.at(-1);
      if (last !== undefined && JSON.stringify(last.files) === JSON.stringify(expected)) return last;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe("file source", { timeout: 20_000 }, () => {
  let watched: Watched | null = null;

  afterEach(() => {
    watched?.source.stop();
    assert.equal(watched?.clock.pending ?? 0, 0, "stop must cancel the poll");
  });

  async function start(...paths: readonly string[]): Promise<Watched> {
    watched = new Watched(...paths);
    await watched.source.start();
    return watched;
  }

  it("has reported once when it has started, even nothing", async () => {
    const { changes } = await start(folder);
    assert.deepEqual(changes, [{ files: [], problems: [] }]);
  });

  it("sees new, changed and removed files", async () => {
    await write("a.yaml", "1");
    const source = await start(folder);
    await source.until("a.yaml=1");
    await write("b.yaml", "1");
    await source.until("a.yaml=1", "b.yaml=1");
    await write("a.yaml", "2");
    await source.until("a.yaml=2", "b.yaml=1");
    await rm(at("a.yaml"));
    await source.until("b.yaml=1");
  });

  it("sees two writes of the same length in quick succession", async () => {
    await write("a.yaml", "1");
    const source = await start(at("a.yaml"));
    for (const text of ["2", "3", "4", "5"]) {
      await write("a.yaml", text);
      await source.until(`a.yaml=${text}`);
    }
  });

  it("sees a file that an editor replaces by renaming, again and again", async () => {
    await write("a.yaml", "1");
    const source = await start(at("a.yaml"));
    for (const text of ["2", "3"]) {
      await write(".a.yaml.tmp", text);
      await rename(at(".a.yaml.tmp"), at("a.yaml"));
      await source.until(`a.yaml=${text}`);
    }
  });

  it("sees new directories, and files that appear in them later", async () => {
    const source = await start(folder);
    await mkdir(at("new/deep"), { recursive: true });
    await write("new/deep/a.yaml", "1");
    await source.until("new/deep/a.yaml=1");
    await write("new/deep/b.yaml", "1");
    await source.until("new/deep/a.yaml=1", "new/deep/b.yaml=1");
    await rm(at("new"), { recursive: true });
    await source.until();
  });

  it("follows the link swap of a mounted ConfigMap", async () => {
    for (const [version, text] of [
      ["..v1", "1"],
      ["..v2", "2"],
    ] as const) {
      await mkdir(at(version));
      await write(`${version}/a.yaml`, text);
    }
    await symlink("..v1", at("..data"));
    await symlink("..data/a.yaml", at("a.yaml"));
    const source = await start(folder);
    await source.until("a.yaml=1");
    await symlink("..v2", at("..data_tmp"));
    await rename(at("..data_tmp"), at("..data"));
    await rm(at("..v1"), { recursive: true });
    await source.until("a.yaml=2");
  });

  it("reports a named file that goes, and sees it come back", async () => {
    await write("a.yaml", "1");
    const source = await start(at("a.yaml"));
    await rm(at("a.yaml"));
    const { problems } = await source.until();
    assert.deepEqual(
      problems.map(({ code, position }) => [code, position.file]),
      [["FILE_UNREADABLE", at("a.yaml")]],
    );
    await write("a.yaml", "2");
    assert.deepEqual((await source.until("a.yaml=2")).problems, []);
  });

  it("does not report what changes nothing", async () => {
    await write("a.yaml", "1");
    const source = await start(folder);
    await write("a.yaml", "1");
    await write("notes.txt", "1");
    await utimes(at("a.yaml"), 1, 1);
    source.clock.advance(5_000);
    // As much work as a look at the folder, so that one has passed in between.
    for (let round = 0; round < 3; round++) await readPaths([folder]);
    await write("b.yaml", "1");
    await source.until("a.yaml=1", "b.yaml=1");
    const shown = source.changes.map(({ files }) => files.join());
    assert.equal(new Set(shown).size, shown.length, "the same state was reported twice");
  });

  it("reports a file that is emptied, without text and in its place, until it is written", async () => {
    await write("a.yaml", "1");
    await write("b.yaml", "1");
    const source = await start(folder);
    await write("a.yaml", "");
    const { problems } = await source.until("a.yaml=", "b.yaml=1");
    assert.deepEqual(
      problems.map(({ code, position }) => [code, position.file]),
      [["FILE_EMPTY", at("a.yaml")]],
    );
    await write("a.yaml", "2");
    assert.deepEqual((await source.until("a.yaml=2", "b.yaml=1")).problems, []);
  });

  it("finds by polling what no event tells", async () => {
    // The parent of a linked directory sends no events for what changes behind another link.
    await mkdir(at("real"));
    await write("real/a.yaml", "1");
    await mkdir(at("conf"));
    await symlink("../real/a.yaml", at("conf/a.yaml"));
    const source = await start(at("conf"));
    await write("real/a.yaml", "22");
    source.clock.advance(5_000);
    await source.until("a.yaml=22".replace("a", "conf/a"));
  });

  it("is silent after stop", async () => {
    await write("a.yaml", "1");
    const source = await start(folder);
    source.source.stop();
    source.source.stop();
    await write("a.yaml", "2");
    const other = new Watched(folder);
    await other.source.start();
    await write("a.yaml", "3");
    await other.until("a.yaml=3");
    other.source.stop();
    assert.equal(source.changes.length, 1);
  });
});
