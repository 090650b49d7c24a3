// SPDX-License-Identifier: Apache-2.0
// What the uring transport says about itself in the metrics: each number is made to move by what it counts, and whatever
// it counts costs nobody a byte or a connection.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { systemClock } from "../../src/core/index.ts";
import { createUringTransport } from "../../src/proxy/index.ts";
import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { connectRaw, RawOrigin } from "../support/raw-peer.ts";
import { requireTransport } from "../support/requires.ts";
import { transportKinds, type Transport } from "../support/transport-under-test.ts";
import { contract, Ground } from "./support/ground.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;

/** A transport with so much memory to receive into, checked, and what a test does with it. */
async function withBuffers(t: TestContext, bufferBytes: number, body: (ground: Ground) => Promise<void>) {
  if (!requireTransport(t, uring)) return;
  const ground = new Ground(
    createUringTransport({ clock: systemClock, ledger: null }, { bufferBytes, coalesces: true, check: true }),
  );
  try {
    await body(ground);
  } catch (error) {
    await ground.abandon();
    throw error;
  }
  await ground.finish();
  assert.deepEqual(ground.transport.samples(), [], "nothing is said of what is closed");
}

/** The one sample with that name, and that label `buffers` if there is one. */
function sample(transport: Transport, name: string, buffers?: string): number {
  const found = transport
    .samples()
    .filter((each) => each.name === name && (buffers === undefined || each.labels["buffers"] === buffers));
  assert.equal(found.length, 1, name);
  return found[0]!.value;
}

contract("each thread says what it runs on", (ground) => {
  const { transport } = ground;
  const threads = transport.samples().filter(({ name }) => name === "naru_transport_threads");
  assert.deepEqual(
    threads.map(({ labels, value }) => ({ labels, value })),
    [{ labels: { transport: transport.name }, value: 1 }],
  );
  return Promise.resolve();
});

test("system calls, operations, completions and slots are counted", async (t) => {
  await withBuffers(t, 2 ** 20, async (ground) => {
    const { transport } = ground;
    const names = ["enters", "operations", "completions"].map((what) => `naru_uring_${what}_total`);
    const { tap, peer } = await ground.accepted({ data: (each) => void each.send(each.take()) });
    assert.equal(sample(transport, "naru_uring_slots_active"), 2, "a listener and a connection");
    const before = names.map((name) => sample(transport, name));
    for (let round = 0; round < 20; round++) {
      peer.send("ping");
      assert.equal(await peer.takeBytes(4), "ping");
    }
    const grown = names.map((name, index) => sample(transport, name) - before[index]!);
    assert.ok(Math.min(...grown) >= 20, `${grown.join(", ")} for 20 round trips`);
    tap.destroy(false);
    await eventually(() => tap.closed, "it is closed");
    assert.equal(sample(transport, "naru_uring_slots_active"), 1);
    assert.equal(sample(transport, "naru_uring_lost_completions_total"), 0);
    await peer[Symbol.asyncDispose]();
  });
});

test("a shortage of buffers for messages is counted, and more are taken up to the limit", async (t) => {
  await withBuffers(t, 2 ** 20, async (ground) => {
    const { transport } = ground;
    const limit = sample(transport, "naru_uring_buffer_limit_bytes", "messages");
    assert.equal(limit, 32 * 16 * 1024, "what bodies leave of it");
    assert.equal(sample(transport, "naru_uring_buffer_shortages_total", "messages"), 0);
    const listener = await ground.listen({}, () => ({ data: (tap) => void tap.send(tap.take()) }));
    const peers = await Promise.all(Array.from({ length: 100 }, () => connectRaw(listener.port)));
    await eventually(() => ground.taps.length === peers.length, "all are accepted");
    const shortages = () => sample(transport, "naru_uring_buffer_shortages_total", "messages");
    // All at once: more than there are buffers for in one batch.
    for (let round = 0; round < 50 && shortages() === 0; round++) {
      for (const peer of peers) peer.send("x".repeat(1_000));
      for (const peer of peers) assert.equal((await peer.takeBytes(1_000)).length, 1_000);
    }
    assert.ok(shortages() > 0);
    assert.equal(sample(transport, "naru_uring_buffer_bytes", "messages"), limit);
    await assertAllGivenBack(transport);
    await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
  });
});

test("an overflow of the completion queue is counted, and loses nothing", async (t) => {
  await withBuffers(t, 2 ** 20, async (ground) => {
    const { transport } = ground;
    await using origin = await RawOrigin.start();
    assert.equal(sample(transport, "naru_uring_overflows_total"), 0);
    // Two completions each at the least, none of which is looked at before the last one is asked for.
    const taps = Array.from({ length: 3_000 }, () => {
      const tap = ground.connect("127.0.0.1", origin.port);
      tap.destroy(true);
      return tap;
    });
    await eventually(() => taps.every(({ closed }) => closed), "each is closed");
    assert.ok(sample(transport, "naru_uring_overflows_total") > 0);
    assert.equal(sample(transport, "naru_uring_lost_completions_total"), 0);
    assert.equal(sample(transport, "naru_uring_slots_active"), 0);
  });
});

/** None is filled when nobody sends. Linux before 6.8 does not tell. */
async function assertAllGivenBack(transport: Transport): Promise<void> {
  const used = () => transport.samples().filter(({ name }) => name === "naru_uring_buffer_used_bytes");
  for (let turn = 0; turn < 1_000 && used().some(({ value }) => value > 0); turn++) await nextTurn();
  assert.deepEqual(
    used().map(({ value }) => value),
    used().map(() => 0),
  );
}
