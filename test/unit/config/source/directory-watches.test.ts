// SPDX-License-Identifier: Apache-2.0
// Which events of a directory lead to a look at its files.

import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";

import { DirectoryWatches } from "../../../../src/config/source/directory-watches.ts";
import { createLogger } from "../../../../src/telemetry/index.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

test("a log that is written beside the configuration causes no look, a new file does", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "naru-watches-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of ["busy.log", "a.yaml"]) await writeFile(join(folder, name), "");
  const asked: string[] = [];
  const askedBeforeEvent: (string | undefined)[] = [];
  let onNext: () => void = () => undefined;
  const logger = createLogger({
    level: "info",
    format: "text",
    colour: false,
    write: assert.fail,
    clock: new FakeClock(),
  });
  const isRead = (path: string): boolean => {
    asked.push(basename(path));
    return path.endsWith(".yaml");
  };
  const watches = new DirectoryWatches(logger, isRead, () => {
    askedBeforeEvent.push(asked.at(-1));
    onNext();
  });
  t.after(() => watches.close());
  const nextEvent = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    onNext = resolve;
    return promise;
  };
  const { dev, ino } = await stat(folder);
  watches.want({ path: folder, stamp: `${dev}:${ino}` });

  const changed = nextEvent();
  for (let line = 0; line < 20; line++) await appendFile(join(folder, "busy.log"), "a request\n");
  await appendFile(join(folder, "a.yaml"), "kind: Namespace\n");
  await changed;
  assert.ok(asked.includes("busy.log"));
  assert.deepEqual(new Set(askedBeforeEvent), new Set(["a.yaml"]));

  const created = nextEvent();
  await writeFile(join(folder, "..data"), "");
  await created;
});
