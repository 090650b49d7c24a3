// SPDX-License-Identifier: Apache-2.0
// What a thread leaves behind is closed, and nothing else.

import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import { test } from "node:test";

import { closeLeftFiles, createLedgerMemory, FileLedger } from "../../../src/platform/index.ts";
import { requireTransport } from "../../support/requires.ts";
import { transportKinds } from "../../support/transport-under-test.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

test("files that were written down are closed, others and removed ones are not", (t) => {
  if (!requireTransport(t, uring)) return;
  const memory = createLedgerMemory();
  const ledger = new FileLedger(memory);
  const [left, closed, foreign] = ["left", "closed", "foreign"].map(() => openSync("/dev/null", "r")) as [
    number,
    number,
    number,
  ];
  ledger.add(left);
  ledger.add(closed);
  ledger.remove(closed);
  assert.equal(closeLeftFiles(memory), 1);
  assert.deepEqual([left, closed, foreign].map(isOpen), [false, true, true]);
  assert.equal(closeLeftFiles(memory), 0, "a ledger is good for once");
  for (const fd of [closed, foreign]) closeSync(fd);
});

test("descriptors beyond the ledger are left alone", () => {
  const memory = createLedgerMemory();
  const before = Buffer.from(new Uint8Array(memory).slice()).toString("latin1");
  new FileLedger(memory).add(2 ** 30);
  assert.equal(Buffer.from(new Uint8Array(memory).slice()).toString("latin1"), before);
});
