// SPDX-License-Identifier: Apache-2.0
// Nodes that come, go and come back, and what becomes of their addresses.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Cluster, metric } from "./cluster.ts";

async function clusterOf(...names: readonly string[]): Promise<Cluster> {
  const cluster = new Cluster();
  for (const name of names) cluster.add(name);
  await cluster.pass(1_500);
  return cluster;
}

function owners(cluster: Cluster): readonly string[] {
  return cluster.addresses.map((address) => cluster.announcers(address).join("+"));
}

test("nodes find each other, and each address has one announcer", async () => {
  const cluster = await clusterOf("a", "b", "c");
  assert.deepEqual(
    cluster.nodes.map(({ membership }) =>
      membership
        .members()
        .map(({ node }) => node)
        .toSorted(),
    ),
    [
      ["a", "b", "c"],
      ["a", "b", "c"],
      ["a", "b", "c"],
    ],
  );
  assert.deepEqual(new Set(owners(cluster)), new Set(["a", "b", "c"]));
  assert.equal(metric(cluster.nodes[0]!, "members"), 3);
});

test("a node that is alone announces everything once it has listened", async () => {
  const cluster = new Cluster();
  const node = cluster.add("a");
  await cluster.pass(590);
  assert.deepEqual([node.membership.members().length, node.announced.size], [0, 0]);
  await cluster.pass(20);
  assert.deepEqual([node.membership.members().length, node.announced.size], [1, cluster.addresses.length]);
});

test("start resolves when it has listened, and when it is stopped before", async () => {
  const cluster = new Cluster();
  const [one, other] = [cluster.add("a"), cluster.add("b")];
  let started = 0;
  for (const node of [one, other]) void node.started.then(() => started++);
  await cluster.pass(100);
  other.membership.stop();
  await cluster.pass(20);
  assert.equal(started, 1);
  await cluster.pass(600);
  assert.equal(started, 2);
});

test("what a dead node had is announced by others within a second, and nothing else moves", async () => {
  const cluster = await clusterOf("a", "b", "c");
  const before = owners(cluster);
  cluster.nodes[0]!.kill();
  let tookMs = 0;
  await cluster.pass(2_000, () => {
    if (owners(cluster).includes("")) tookMs += 10;
  });
  const after = owners(cluster);
  assert.ok(tookMs > 500 && tookMs <= 900, `${tookMs} ms`);
  for (const [index, owner] of before.entries()) if (owner !== "a") assert.equal(after[index], owner);
  assert.deepEqual(new Set(after), new Set(["b", "c"]));
});

test("what a node that says goodbye had is never without an announcer", async () => {
  const cluster = await clusterOf("a", "b", "c");
  const [a] = cluster.nodes;
  let left = false;
  void a!.membership.leave().then(() => (left = true));
  let gapMs = 0;
  await cluster.pass(100, () => {
    if (left && a!.running) a!.kill();
    if (owners(cluster).includes("")) gapMs += 10;
  });
  assert.deepEqual([left, gapMs], [true, 0]);
  assert.deepEqual(new Set(owners(cluster)), new Set(["b", "c"]));
});

test("goodbyes that are lost but one are enough", async () => {
  const cluster = await clusterOf("a", "b");
  let sent = 0;
  cluster.connected = (from) => from === "b" || ++sent === 3;
  void cluster.nodes[0]!.membership.leave();
  await cluster.pass(60);
  assert.deepEqual(
    cluster.nodes[1]!.membership.members().map(({ node }) => node),
    ["b"],
  );
});

test("a node that comes back waits before it takes its addresses back", async () => {
  const cluster = await clusterOf("a", "b");
  const before = owners(cluster);
  cluster.nodes[0]!.kill();
  await cluster.pass(2_000);
  cluster.add("a");
  await cluster.pass(59_000);
  assert.deepEqual(new Set(owners(cluster)), new Set(["b"]));
  let gapMs = 0;
  await cluster.pass(3_000, () => {
    if (owners(cluster).includes("")) gapMs += 10;
  });
  assert.deepEqual(owners(cluster), before);
  assert.equal(gapMs, 0);
  assert.deepEqual(cluster.logs, []);
});

test("a node that comes back takes at once what is without an announcer", async () => {
  const cluster = await clusterOf("a", "b");
  cluster.nodes[0]!.kill();
  await cluster.pass(2_000);
  cluster.add("a");
  await cluster.pass(2_000);
  cluster.nodes[1]!.kill();
  await cluster.pass(900);
  assert.deepEqual(new Set(owners(cluster)), new Set(["a"]));
});

test("a node that is not ready hands over at once", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  a!.ready = false;
  a!.tell();
  await cluster.pass(30);
  assert.deepEqual(b!.announced.size, cluster.addresses.length);
  assert.equal(a!.membership.members().find(({ node }) => node === "a")?.ready, false);
});

test("a node that loses its subnet hands over, and everybody knows why", async () => {
  const cluster = new Cluster();
  const here = [{ name: "eth0", prefixes: ["10.20.0.0/16"] }];
  for (const name of ["a", "b"]) cluster.add(name, {}, here);
  await cluster.pass(1_500);
  const [a, b] = cluster.nodes;
  assert.deepEqual(b!.membership.members().find(({ node }) => node === "a")?.reach, here);
  a!.reach = [];
  a!.tell();
  await cluster.pass(30);
  assert.equal(b!.announced.size, cluster.addresses.length);
});

test("what a node withholds others announce, and all of it is again anybody's when it withholds it no more", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  const kept = b!.announced;
  a!.withheld = new Set(cluster.addresses.slice(0, 4));
  a!.decide();
  await cluster.pass(30);
  assert.deepEqual(b!.announced, kept.union(a!.withheld));
  assert.deepEqual(b!.membership.members().find(({ node }) => node === "a")?.withheld, a!.withheld);
  a!.withheld = new Set();
  a!.decide();
  await cluster.pass(30);
  assert.deepEqual(b!.membership.members().find(({ node }) => node === "a")?.withheld, new Set());
});

test("labels that only the node knows are told to others, and too many are refused at the start", async () => {
  const cluster = new Cluster();
  cluster.add("a", { labels: { zone: "a" } });
  cluster.add("b");
  await cluster.pass(1_500);
  for (const { membership } of cluster.nodes) {
    assert.deepEqual(membership.members().find(({ node }) => node === "a")?.labels, { zone: "a" });
  }
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`label-${index}`, "x"]));
  await assert.rejects(cluster.add("c", { labels: many }).started, /do not fit/);
});

test("a list of addresses that one packet cannot hold arrives in parts", async () => {
  const cluster = new Cluster(1, 1_000);
  for (const name of ["a", "b"]) cluster.add(name);
  await cluster.pass(2_500);
  const [a, b] = cluster.nodes;
  assert.ok(a!.announced.size > 400);
  assert.deepEqual(b!.membership.members().find(({ node }) => node === "a")?.announced, a!.announced);
  assert.ok(Math.max(...cluster.packets.map(({ bytes }) => bytes.length)) <= 1_200);
});

test("a partition has one announcer on each side, and one again when it heals", async () => {
  const cluster = await clusterOf("a", "b", "c");
  const before = owners(cluster);
  cluster.connected = (from, to) => (from === "a") === (to === "a");
  await cluster.pass(1_500);
  for (const address of cluster.addresses) {
    const announcers = cluster.announcers(address);
    assert.deepEqual([announcers.length, announcers.filter((name) => name === "a").length], [2, 1]);
  }
  cluster.connected = () => true;
  await cluster.pass(1_000);
  assert.deepEqual(owners(cluster), before);
});

test("nodes that hear each other one way only both announce, and whoever hears it says so, once", async () => {
  const cluster = await clusterOf("a", "b");
  cluster.connected = (from, to) => !(from === "a" && to === "b");
  await cluster.pass(10_000);
  const warnings = cluster.logs.filter(({ message }) => message === "Address is announced by several nodes");
  const doubled = cluster.addresses.filter((address) => cluster.announcers(address).length > 1);
  assert.ok(doubled.length > 0);
  assert.deepEqual(
    warnings.map(({ node, fields }) => `${node}: ${String(fields["address"])} ${String(fields["nodes"])}`).toSorted(),
    doubled.map((address) => `a: ${address} a,b`).toSorted(),
  );
  assert.equal(metric(cluster.nodes[0]!, "split_brain_addresses"), doubled.length);
  assert.deepEqual(
    cluster.nodes[0]!.membership.splitBrains()
      .map(({ address }) => address)
      .toSorted(),
    doubled.toSorted(),
  );
  cluster.connected = () => true;
  await cluster.pass(2_000);
  assert.equal(metric(cluster.nodes[0]!, "split_brain_addresses"), 0);
  assert.equal(
    cluster.logs.filter(({ message }) => message === "Address is announced by one node again").length,
    doubled.length,
  );
});

test("of two nodes with one name the one that started later does not announce, and all say so", async () => {
  const cluster = await clusterOf("a", "b");
  const before = owners(cluster);
  const late = cluster.add("a");
  await cluster.pass(5_000);
  assert.equal(late.announced.size, 0);
  assert.deepEqual(
    late.membership.members().map(({ node }) => node),
    ["b"],
  );
  assert.deepEqual(owners(cluster), before);
  assert.deepEqual(
    cluster.nodes.map(({ membership }) => membership.nameCollisions()),
    [["a"], ["a"], ["a"]],
  );
  assert.equal(cluster.logs.length, 3);
  cluster.nodes[0]!.kill();
  await cluster.pass(2_000);
  assert.deepEqual(cluster.nodes[1]!.membership.nameCollisions(), []);
  assert.deepEqual(
    late.membership
      .members()
      .map(({ node }) => node)
      .toSorted(),
    ["a", "b"],
  );
});

test("a node that restarts at once is no second node of its name", async () => {
  const cluster = await clusterOf("a", "b");
  cluster.nodes[0]!.kill();
  const restarted = cluster.add("a");
  await cluster.pass(2_000);
  assert.deepEqual(cluster.logs, []);
  assert.deepEqual(
    restarted.membership
      .members()
      .map(({ node }) => node)
      .toSorted(),
    ["a", "b"],
  );
  for (const address of cluster.addresses) assert.equal(cluster.announcers(address).length, 1);
});

test("a process that stood still gives up what others took over, and waits before it takes it back", async () => {
  const cluster = await clusterOf("a", "b");
  const [a, b] = cluster.nodes;
  const had = a!.announced.size;
  await cluster.freeze(a!, 3_000);
  // It knows that it was away, and not they.
  assert.deepEqual(
    a!.membership.members().map(({ node }) => node),
    ["b"],
  );
  assert.equal(b!.announced.size, cluster.addresses.length);
  let bothMs = 0;
  await cluster.pass(5_000, () => {
    if (a!.announced.size > 0) bothMs += 10;
  });
  assert.ok(had > 0);
  assert.ok(bothMs <= 10, `${bothMs} ms`);
  assert.equal(metric(a!, "stalls_total"), 1);
  await cluster.pass(60_000);
  assert.equal(a!.announced.size, had);
});

test("a process that stood still for less takes nobody for dead", async () => {
  const cluster = await clusterOf("a", "b");
  const [a] = cluster.nodes;
  const had = a!.announced;
  const changes = a!.changes;
  // b was last heard long before a last spoke: when a wakes up, b is overdue, and its packets are there to be read.
  while (cluster.clock.nowMs() - cluster.sentMs("a") > 15 || cluster.sentMs("a") - cluster.sentMs("b") < 120) {
    await cluster.pass(10);
  }
  await cluster.freeze(a!, 740);
  await cluster.pass(1_000);
  assert.deepEqual(a!.announced, had);
  assert.equal(a!.changes, changes);
});

test("each failure to send is counted, and said once", async () => {
  const cluster = await clusterOf("a");
  const [a] = cluster.nodes;
  for (let round = 0; round < 3; round++) {
    for (const reason of ["send ENETUNREACH", "send EPERM"]) a!.fail(new Error(reason));
  }
  assert.equal(metric(a!, "heartbeat_send_errors_total"), 6);
  assert.deepEqual(
    cluster.logs.map(({ fields }) => fields["error"]),
    ["send ENETUNREACH", "send EPERM"],
  );
});
