// SPDX-License-Identifier: Apache-2.0
// Limits of a cluster and of a listener that count for two data planes together, as two worker threads have them.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { ClusterSpec, TrafficOptions } from "../../src/model/index.ts";
import { LimitTable, LimitView } from "../../src/proxy/index.ts";
import { seededRandom } from "../support/load.ts";
import { answer, endOfHead, get, ok } from "../support/messages.ts";
import {
  defaultAction,
  defaultCluster,
  eventually,
  startProxy,
  type ProxyUnderTest,
} from "../support/proxy-under-test.ts";
import { assertReset, RawOrigin, type RawPeer } from "../support/raw-peer.ts";

interface Pair extends AsyncDisposable {
  readonly origin: RawOrigin;
  readonly one: ProxyUnderTest;
  readonly two: ProxyUnderTest;
  /** Nothing is in use of any limit. */
  assertAllGivenBack(): void;
}

const listeners = [{ name: "gateway_80", role: "gateway", bind: "", port: 80, tables: new Map() }] as const;
const retryOnce = { retries: { ...defaultAction.retries, attempts: 1, on: ["5xx"] as const } };

async function startPair(cluster: Partial<ClusterSpec>, options: Partial<TrafficOptions> = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await RawOrigin.start());
  const spec = { ...defaultCluster, ...cluster };
  const table = new LimitTable(2, seededRandom(1));
  const views = [0, 1].map((thread) => new LimitView(table.memory, 2, thread));
  for (const view of views) view.addSlots(table.slotsOf([spec], listeners));
  const setup = { origins: [origin.port], cluster, options, action: retryOnce, random: () => 0.5 };
  const one = stack.use(await startProxy({ ...setup, sharedLimits: views[0]! }));
  const two = stack.use(await startProxy({ ...setup, sharedLimits: views[1]! }));
  const owned = stack.move();
  return {
    origin,
    one,
    two,
    assertAllGivenBack: () => assert.deepEqual([...views[0]!.countsOf(spec.name).all], [0, 0, 0, 0]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ask(proxy: ProxyUnderTest): Promise<RawPeer> {
  const client = await proxy.connect();
  client.send(get());
  return client;
}

const waiting = (proxy: ProxyUnderTest) => proxy.cluster().requestsPending;

suite("limits of a cluster hold for all threads together", () => {
  test("maxRequests: what one has in flight counts for the other", async () => {
    await using pair = await startPair({ maxRequests: 1 });
    await using first = await ask(pair.one);
    const upstream = await pair.origin.connection();
    await using second = await ask(pair.two);
    assert.match(await second.takeThrough("overflow"), /^HTTP\/1\.1 503 .*x-envoy-overloaded: true/s);
    upstream.send(ok("hello"));
    await first.takeThrough("hello");
    await using third = await ask(pair.two);
    (await pair.origin.connection()).send(ok("world"));
    await third.takeThrough("world");
    assert.equal(pair.origin.accepted, 2);
    pair.one.dataPlane.applyEndpoints({ version: "none", endpoints: new Map() });
    pair.two.dataPlane.applyEndpoints({ version: "none", endpoints: new Map() });
    pair.assertAllGivenBack();
  });

  test("maxConnections: an idle connection makes room for a request that waits in the other thread", async () => {
    await using pair = await startPair({ maxConnections: 1 });
    await using first = await ask(pair.one);
    (await pair.origin.connection()).send(ok("hello"));
    await first.takeThrough("hello");
    assert.equal(pair.one.cluster().connectionsActive, 1);

    await using second = await ask(pair.two);
    await eventually(() => waiting(pair.two) === 1, "the second request waits");
    pair.one.clock.advance(20);
    assert.equal(pair.one.cluster().connectionsActive, 0);
    pair.two.clock.advance(20);
    (await pair.origin.connection()).send(ok("world"));
    await second.takeThrough("world");
    assert.equal(pair.two.cluster().connectionsActive, 1);
  });

  test("maxConnections: a connection that becomes free goes to the thread where somebody waits", async () => {
    await using pair = await startPair({ maxConnections: 1 });
    await using first = await ask(pair.one);
    const upstream = await pair.origin.connection();
    await using second = await ask(pair.two);
    await eventually(() => waiting(pair.two) === 1, "the second request waits");
    pair.two.clock.advance(20);
    assert.equal(pair.origin.accepted, 1);
    upstream.send(ok("hello"));
    await first.takeThrough("hello");
    assert.equal(pair.one.cluster().connectionsActive, 0);
    pair.two.clock.advance(20);
    (await pair.origin.connection()).send(ok("world"));
    await second.takeThrough("world");
  });

  test("maxConnections: a thread that is never out of work gives its connection up after its turn", async () => {
    await using pair = await startPair({ maxConnections: 1 });
    await using first = await ask(pair.one);
    const upstream = await pair.origin.connection();
    await upstream.takeThrough(endOfHead);
    await using second = await ask(pair.one);
    await using third = await ask(pair.one);
    await using other = await ask(pair.two);
    await eventually(() => waiting(pair.one) === 2 && waiting(pair.two) === 1, "three requests wait");

    upstream.send(ok("first"));
    await first.takeThrough("first");
    await upstream.takeThrough(endOfHead);
    pair.one.clock.advance(50);
    upstream.send(ok("second"));
    await second.takeThrough("second");
    assert.equal(pair.one.cluster().connectionsActive, 0);
    assert.equal(waiting(pair.one), 1);

    pair.two.clock.advance(20);
    (await pair.origin.connection()).send(ok("other"));
    await other.takeThrough("other");
    pair.one.clock.advance(20);
    (await pair.origin.connection()).send(ok("third"));
    await third.takeThrough("third");
  });

  test("maxPendingRequests: the queues of both threads count", async () => {
    await using pair = await startPair({ maxConnections: 1, maxPendingRequests: 1 });
    await using first = await ask(pair.one);
    const upstream = await pair.origin.connection();
    await using second = await ask(pair.one);
    await eventually(() => waiting(pair.one) === 1, "the second request waits");
    await using third = await ask(pair.two);
    assert.match(await third.takeThrough("overflow"), /^HTTP\/1\.1 503 /);
    upstream.send(ok("hello"));
    await first.takeThrough("hello");
    upstream.send(ok("world"));
    await second.takeThrough("world");
  });

  test("maxRetries: a retry that waits in one thread leaves none for the other", async () => {
    await using pair = await startPair({ maxRetries: 1 });
    const failOnce = async (proxy: ProxyUnderTest) => {
      const client = await ask(proxy);
      const upstream = await pair.origin.connection();
      await upstream.takeThrough(endOfHead);
      upstream.send(answer(503, "Connection: close\r\n"));
      await upstream.takeToEnd();
      return client;
    };
    await using first = await failOnce(pair.one);
    await eventually(() => pair.one.sample("naru_retries_total") === 1, "the first is going to be sent again");
    await using second = await failOnce(pair.two);
    assert.match(await second.takeThrough(endOfHead), /^HTTP\/1\.1 503 /);
    assert.equal(pair.two.lastOutcome()?.flags, "UO");
    pair.one.clock.advance(250);
    (await pair.origin.connection()).send(ok("hello"));
    await first.takeThrough("hello");
    await using third = await failOnce(pair.two);
    await eventually(() => pair.two.sample("naru_retries_total") === 1, "the place is free again");
    third.reset();
  });

  test("a limit that comes and goes with the configuration counts what is in flight already", async () => {
    const table = new LimitTable(1, seededRandom(1));
    const view = new LimitView(table.memory, 1, 0);
    view.addSlots(table.slotsOf([], listeners));
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], sharedLimits: view });
    await using first = await ask(proxy);
    const upstream = await origin.connection();
    const limitedSpec = { ...defaultCluster, maxRequests: 1 };
    view.addSlots(table.slotsOf([limitedSpec], listeners));
    await proxy.dataPlane.applyRouting({ ...proxy.snapshot(), clusters: new Map([[limitedSpec.name, limitedSpec]]) });
    assert.deepEqual([...view.countsOf(limitedSpec.name).all], [1, 0, 1, 0]);
    await using second = await ask(proxy);
    assert.match(await second.takeThrough("overflow"), /^HTTP\/1\.1 503 /);
    await proxy.dataPlane.applyRouting(proxy.snapshot());
    assert.deepEqual([...view.countsOf(limitedSpec.name).all], [0, 0, 0, 0]);
    upstream.send(ok("hello"));
    await first.takeThrough("hello");
    assert.deepEqual([...view.countsOf(limitedSpec.name).all], [0, 0, 0, 0]);
  });
});

suite("limits of a listener hold for all threads together", () => {
  const active = (proxy: ProxyUnderTest) => proxy.sample("naru_downstream_connections_active");
  const hits = (proxy: ProxyUnderTest) => proxy.sample("naru_limit_hits_total");

  for (const limits of [{ maxConnections: 3 }, { maxConnectionsPerSource: 3 }]) {
    test(`${Object.keys(limits).join()}: however the kernel spreads them`, async () => {
      await using pair = await startPair({}, limits);
      await using first = await pair.one.connect();
      await using second = await pair.one.connect();
      await eventually(() => active(pair.one) === 2, "one thread has two");
      await using third = await pair.two.connect();
      await eventually(() => active(pair.two) === 1, "the other has the third");
      await assertReset(pair.two.port);
      await assertReset(pair.one.port);
      assert.deepEqual([hits(pair.one), hits(pair.two)], [1, 1]);

      first.reset();
      await eventually(() => active(pair.one) === 1, "one has left");
      await using sixth = await pair.two.connect();
      await eventually(() => active(pair.two) === 2, "its place is taken in the other thread");
      assert.ok([second, third, sixth].every(({ ended }) => !ended));
    });
  }
});

test("what a thread had in use when it died is free again, and the others' part is not", () => {
  const table = new LimitTable(2, seededRandom(1));
  const specs = Array.from({ length: 200 }, (_, index) => ({ ...defaultCluster, name: `c${index}`, maxRequests: 9 }));
  const [one, two] = [new LimitView(table.memory, 2, 0), new LimitView(table.memory, 2, 1)];
  const slots = table.slotsOf(specs, []);
  for (const view of [one, two]) view.addSlots(slots);
  for (const { name } of specs) {
    for (const [view, count] of [[one, 3] as const, [two, 4] as const]) {
      view.countsOf(name).own[2]! += count;
      view.countsOf(name).all[2]! += count;
    }
  }
  table.release(0);
  table.release(0);
  assert.ok(specs.every(({ name }) => two.countsOf(name).all[2] === 4));
  assert.deepEqual(
    [...table.slotsOf([...specs, defaultCluster], []).places.keys()],
    specs.map(({ name }) => `cluster ${name}`),
  );
});

test("however many clusters there are and have been, each has numbers of its own", () => {
  const table = new LimitTable(2, seededRandom(1));
  const [one, two] = [new LimitView(table.memory, 2, 0), new LimitView(table.memory, 2, 1)];
  const count = (view: LimitView, name: string) => {
    view.countsOf(name).own[2]! += 1;
    view.countsOf(name).all[2]! += 1;
  };
  const generations = ["a", "b"].map((prefix) =>
    Array.from({ length: 70_000 }, (_, index) => ({ ...defaultCluster, name: `${prefix}${index}`, maxRequests: 9 })),
  );
  for (const specs of generations) {
    const slots = table.slotsOf(specs, listeners);
    for (const view of [one, two]) view.addSlots(slots);
    for (const { name } of specs) count(one, name);
  }
  assert.ok(generations.flat().every(({ name }) => two.countsOf(name).all[2] === 1));
  const late = new LimitView(table.memory, 2, 1);
  late.addSlots(table.slotsOf(generations[0]!, listeners));
  assert.ok(
    generations[0]!.every(({ name }) => late.countsOf(name).all[2] === 1),
    "a worker that was replaced",
  );
  table.release(0);
  assert.ok(generations.flat().every(({ name }) => two.countsOf(name).all[2] === 0));
});
