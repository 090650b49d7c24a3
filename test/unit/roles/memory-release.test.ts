// SPDX-License-Identifier: Apache-2.0
// When the garbage of a change of configuration is collected.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { MemoryRelease } from "../../../src/roles/memory-release.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const mebibyte = 1024 * 1024;

describe("memory release", () => {
  let clock = new FakeClock();
  let usedBytes = 0;
  let isBusy = false;
  let collections = 0;
  let release = make();

  function make(): MemoryRelease {
    return new MemoryRelease({
      clock,
      usedBytes: () => usedBytes,
      collectGarbage() {
        collections++;
        usedBytes = 20 * mebibyte;
      },
      isBusy: () => isBusy,
    });
  }

  beforeEach(() => {
    clock = new FakeClock();
    [usedBytes, isBusy, collections] = [60 * mebibyte, false, 0];
    release = make();
    release.now();
  });

  it("collects at once before anybody waits", () => {
    assert.equal(collections, 1);
    assert.equal(clock.pending, 0);
    release.soon();
    release.now();
    assert.deepEqual([collections, clock.pending], [2, 0]);
  });

  it("collects once, five seconds after the last change", () => {
    for (let change = 0; change < 3; change++) {
      usedBytes = 60 * mebibyte;
      release.soon();
      clock.advance(4_999);
    }
    assert.equal(collections, 1);
    clock.advance(1);
    assert.equal(collections, 2);
    clock.advance(60_000);
    assert.equal(collections, 2);
  });

  it("leaves a little garbage, and a busy thread, alone", () => {
    usedBytes = 21 * mebibyte;
    release.soon();
    clock.advance(5_000);
    usedBytes = 60 * mebibyte;
    isBusy = true;
    release.soon();
    clock.advance(5_000);
    assert.equal(collections, 1);
    isBusy = false;
    release.soon();
    clock.advance(5_000);
    assert.equal(collections, 2);
  });

  it("does nothing after it was stopped", () => {
    usedBytes = 60 * mebibyte;
    release.soon();
    release.stop();
    clock.advance(60_000);
    assert.deepEqual([collections, clock.pending], [1, 0]);
  });
});
