// SPDX-License-Identifier: Apache-2.0
// A worker that is ended from outside, in the middle of traffic, leaves nothing of its transport behind: no file, no
// mapping of a ring, no client that waits for ever. Its replacement serves on the same port.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { endOfHead, get, ok } from "../support/messages.ts";
import { eventually } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { requireTransport } from "../support/requires.ts";
import { transportKinds } from "../support/transport-under-test.ts";
import { closeAll, startPool } from "./support/pool-under-test.ts";

for (const kind of transportKinds) {
  test(`${kind.name}: a worker that is ended leaves nothing of its transport behind`, async (t) => {
    if (!requireTransport(t, kind)) return;
    await using origin = await RawOrigin.start();
    await using run = await startPool({ origin: origin.port, transport: kind.name });
    const { port } = run;
    let seat = 0;
    let before = { files: 0, rings: 0 };
    for (let round = 0; round < 3; round++) {
      const clients = await run.connectToAll(2);
      // Requests in flight, an answer half sent, a client that just came: the worker is ended in the middle of it.
      for (const client of clients) client.send(get());
      const upstreams = await Promise.all(clients.map(() => origin.connection()));
      for (const upstream of upstreams) {
        await upstream.takeThrough(endOfHead);
        upstream.send(ok("x".repeat(1_000_000)).slice(0, 500_000));
      }
      const victim = run.started[seat]!;
      // It has lived long enough to be replaced at once.
      run.clock.advance(60_000);
      seat = run.started.length;
      await run.replace(victim);
      assert.equal(run.port, port);
      const [, survivors] = await run.connectionsByWorker();
      await eventually(() => clients.filter(({ ended }) => !ended).length === survivors, "its clients see the end");
      await closeAll(clients);
      await Promise.all(upstreams.map((upstream) => upstream[Symbol.asyncDispose]()));
      await eventually(() => run.pool.clusters().length > 0, "the clusters are known");
      if (round === 0) {
        await settled(run);
        before = whatIsHeld();
      }
    }
    await settled(run);
    // Each worker that was ended would have left a dozen files; some of the event loop come and go.
    const after = whatIsHeld();
    assert.ok(after.files <= before.files + 3, `files: ${before.files}, then ${after.files}`);
    assert.ok(after.rings <= before.rings, `mapped rings: ${before.rings}, then ${after.rings}`);
  });
}

/** No connection is open any more, in any worker. */
async function settled(run: Awaited<ReturnType<typeof startPool>>): Promise<void> {
  for (;;) {
    const counts = await run.connectionsByWorker();
    if (counts.every((count) => count === 0)) return;
  }
}

function whatIsHeld(): { readonly files: number; readonly rings: number } {
  const maps = readFileSync("/proc/self/maps", "latin1");
  return { files: readdirSync("/proc/self/fd").length, rings: maps.split("[io_uring]").length - 1 };
}
