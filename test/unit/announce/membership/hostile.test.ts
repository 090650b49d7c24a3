// SPDX-License-Identifier: Apache-2.0
// Packets of those who have no key: made up, recorded and sent again, or very many.

import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";

import { encodeHeartbeat } from "../../../../src/announce/membership/heartbeat.ts";
import { Cluster, metric, testKey, type FakeNode } from "./cluster.ts";
import { heartbeat } from "./heartbeats.ts";

const stranger = "198.51.100.66";

async function clusterOf(...names: readonly string[]): Promise<Cluster> {
  const cluster = new Cluster();
  for (const name of names) cluster.add(name);
  await cluster.pass(1_500);
  return cluster;
}

function aliveFor({ membership }: FakeNode): readonly string[] {
  return membership
    .members()
    .map(({ node }) => node)
    .toSorted();
}

/** Everything the node ever sent, in order, spread over the time given. */
async function replay(cluster: Cluster, name: string, to: FakeNode, durationMs: number): Promise<void> {
  const recorded = cluster.packets.filter(({ from }) => from === name);
  let next = 0;
  let passedMs = 0;
  await cluster.pass(durationMs, () => {
    passedMs += 10;
    for (; next < (recorded.length * passedMs) / durationMs; next++) to.hear(recorded[next]!.bytes, stranger);
  });
  assert.equal(next, recorded.length);
}

test("recordings of a node that is dead do not bring it back", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  a!.kill();
  await cluster.pass(1_000);
  await replay(cluster, "a", b!, 3_000);
  assert.deepEqual(aliveFor(b!), ["b"]);
  assert.ok(metric(b!, "heartbeats_rejected_total", "unproven") > 0);
  assert.equal(b!.announced.size, cluster.addresses.length);
});

test("nor for a node that has never heard it, nor one that has just restarted", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  a!.kill();
  b!.kill();
  const fresh = [cluster.add("b"), cluster.add("c")];
  for (const node of fresh) await replay(cluster, "a", node, 3_000);
  for (const node of fresh) assert.deepEqual(aliveFor(node), ["b", "c"]);
});

test("what a node sent after it was taken for dead proves nothing either", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  cluster.connected = () => false;
  await cluster.pass(3_000);
  a!.kill();
  await replay(cluster, "a", b!, 2_000);
  assert.deepEqual(aliveFor(b!), ["b"]);
});

test("packets of a live node that come again are repeated, and change nothing", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  const had = b!.announced;
  await replay(cluster, "a", b!, 1_000);
  assert.ok(metric(b!, "heartbeats_rejected_total", "repeated") > 5);
  assert.deepEqual([aliveFor(b!), b!.announced], [["a", "b"], had]);
  assert.ok(a!.running);
});

test("what is no heartbeat is counted by what is wrong, and answered by nothing", async () => {
  const cluster = await clusterOf("a");
  const [a] = cluster.nodes;
  const before = cluster.packets.length;
  const signed = encodeHeartbeat(heartbeat(), testKey);
  const other = encodeHeartbeat(heartbeat(), createSecretKey(Buffer.alloc(32, "x")));
  const newer = Buffer.from(signed);
  newer[4] = 0x7f;
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(2_000), signed.subarray(0, 50), newer, other]) {
    a!.hear(bytes, stranger);
  }
  const rejected = (reason: string): number => metric(a!, "heartbeats_rejected_total", reason);
  assert.deepEqual([rejected("malformed"), rejected("version"), rejected("unauthenticated")], [3, 1, 1]);
  await cluster.pass(50);
  assert.ok(cluster.packets.length - before <= 1);
  assert.deepEqual(aliveFor(a!), ["a"]);
});

test("a flood from elsewhere costs no more signatures than the limit, and no member", async () => {
  const cluster = await clusterOf("a", "b");
  const [a] = cluster.nodes;
  const junk = encodeHeartbeat(heartbeat(), createSecretKey(Buffer.alloc(32, "x")));
  await cluster.pass(2_000, () => {
    for (let packet = 0; packet < 500; packet++) a!.hear(junk, `198.51.100.${packet & 0xff}`);
  });
  const checked = metric(a!, "heartbeats_rejected_total", "unauthenticated");
  assert.ok(checked >= 1_900 && checked <= 2_100, `${checked} were checked`);
  assert.equal(checked + metric(a!, "heartbeats_rejected_total", "rate"), 100_000);
  assert.deepEqual(aliveFor(a!), ["a", "b"]);
});

test("a flood that pretends to come from one node costs that node only", async () => {
  const cluster = await clusterOf("a", "b", "c");
  const [a, b] = cluster.nodes;
  const junk = encodeHeartbeat(heartbeat(), createSecretKey(Buffer.alloc(32, "x")));
  await cluster.pass(2_000, () => {
    for (let packet = 0; packet < 100; packet++) a!.hear(junk, b!.source);
  });
  assert.ok(aliveFor(a!).includes("c"));
  assert.ok(metric(a!, "heartbeats_rejected_total", "unauthenticated") <= 1_600);
});

test("who asks for an answer with every packet gets few of them", async () => {
  const cluster = await clusterOf("a", "b");
  const [a] = cluster.nodes;
  const sent = metric(a!, "heartbeats_sent_total");
  let sequence = 0;
  await cluster.pass(2_000, () => {
    const beat = heartbeat({ sequence: ++sequence, challenge: BigInt(sequence) });
    a!.hear(encodeHeartbeat(beat, testKey), stranger);
  });
  // 5 a second regularly, give or take, and a new challenge is answered every 100 ms.
  const more = metric(a!, "heartbeats_sent_total") - sent;
  assert.ok(more >= 25 && more <= 35, `${more} packets`);
});

test("keys are replaced node by node, and nobody is lost", async () => {
  const cluster = await clusterOf("a", "b");
  const newKey = createSecretKey(Buffer.alloc(32, "n"));
  const steps = [[testKey, newKey], [newKey, testKey], [newKey]] as const;
  for (const keys of steps) {
    for (const { membership } of cluster.nodes) {
      membership.setKeys(keys);
      await cluster.pass(1_500);
      for (const node of cluster.nodes) assert.deepEqual(aliveFor(node), ["a", "b"]);
    }
  }
  assert.equal(metric(cluster.nodes[0]!, "heartbeats_rejected_total", "unauthenticated"), 0);
});
