// SPDX-License-Identifier: Apache-2.0
// File descriptors are divided before they run out: clients are turned away while the requests of those inside still
// find an upstream connection; and a connect for which there was none fails like any other.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { LimitTable, LimitView, type DataPlaneOptions } from "../../src/proxy/index.ts";
import { ExhaustedTransport } from "../support/exhausted-transport.ts";
import { seededRandom } from "../support/load.ts";
import { endOfHead, get, ok } from "../support/messages.ts";
import { defaultAction, eventually, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { assertReset, RawOrigin, type RawPeer } from "../support/raw-peer.ts";

function connectionsRefused(proxy: ProxyUnderTest): number {
  const samples = proxy.dataPlane.samples().filter(({ name }) => name === "naru_limit_hits_total");
  return samples.find(({ labels }) => labels["limit"] === "connections")?.value ?? assert.fail("no counter");
}

async function accepted(proxy: ProxyUnderTest): Promise<RawPeer> {
  const before = proxy.sample("naru_downstream_connections_active");
  const client = await proxy.connect();
  await eventually(() => proxy.sample("naru_downstream_connections_active") === before + 1, "it is accepted");
  return client;
}

/** Asks and is answered; returns the upstream connection that was used. */
async function served(client: RawPeer, origin: RawOrigin): Promise<RawPeer> {
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("served"));
  await client.takeThrough("served");
  return upstream;
}

/** Two data planes that count together, as two threads do. */
async function startPair(options: Partial<DataPlaneOptions>, origins: readonly number[] = []) {
  await using stack = new AsyncDisposableStack();
  const table = new LimitTable(2, seededRandom(1));
  const listener = { name: "gateway_80", role: "gateway", bind: "", port: 80, tables: new Map() } as const;
  const [one, two] = await Promise.all(
    [0, 1].map(async (thread) => {
      const view = new LimitView(table.memory, 2, thread);
      view.addSlots(table.slotsOf([], [listener]));
      return stack.use(await startProxy({ options, origins, sharedLimits: view }));
    }),
  );
  const owned = stack.move();
  return { table, one: one!, two: two!, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

suite("clients", () => {
  test("beyond their half are reset and counted; those inside are served, and a place that is left is taken", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { descriptorsPerSide: 2 } });
    await using first = await accepted(proxy);
    await using second = await accepted(proxy);
    await assertReset(proxy.port);
    assert.equal(connectionsRefused(proxy), 1);
    await served(second, origin);
    first.reset();
    await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "the first is gone");
    await using third = await accepted(proxy);
    await assertReset(proxy.port);
    assert.equal(connectionsRefused(proxy), 2);
    assert.equal(third.ended, false);
  });

  test("who is turned away for another limit takes no place", async () => {
    const options = { descriptorsPerSide: 2, maxConnectionsPerSource: 1 };
    await using proxy = await startProxy({ options });
    for (let round = 0; round < 4; round++) {
      await using client = await accepted(proxy);
      await assertReset(proxy.port);
      client.finish();
      await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "it is gone");
    }
    assert.equal(connectionsRefused(proxy), 0);
  });

  test("count for all threads together", async () => {
    await using pair = await startPair({ descriptorsPerSide: 2 });
    await using inOne = await accepted(pair.one);
    await using inTwo = await accepted(pair.two);
    await assertReset(pair.one.port);
    await assertReset(pair.two.port);
    assert.deepEqual([connectionsRefused(pair.one), connectionsRefused(pair.two)], [1, 1]);
    assert.deepEqual([inOne.ended, inTwo.ended], [false, false]);
    // The other thread died: what it had is free.
    pair.table.release(1);
    await using again = await accepted(pair.one);
    assert.equal(again.ended, false);
  });
});

suite("upstream connections", () => {
  test("beyond their half close the one that was idle longest, of whatever endpoint", async () => {
    await using oldest = await RawOrigin.start();
    await using newer = await RawOrigin.start();
    await using wanted = await RawOrigin.start();
    await using proxy = await startProxy({
      origins: [oldest.port, newer.port, wanted.port],
      cluster: { loadBalancer: "ROUND_ROBIN" },
      options: { descriptorsPerSide: 2 },
    });
    await using client = await accepted(proxy);
    const closing = await served(client, oldest);
    proxy.clock.advance(2_000);
    const staying = await served(client, newer);
    proxy.clock.advance(2_000);
    await served(client, wanted);
    assert.equal(await closing.takeToEnd(), "");
    assert.equal(closing.errorCode, null, "closed in an orderly way");
    assert.equal(staying.ended, false);
    assert.equal(proxy.cluster().connectionsActive, 2);
  });

  test("beyond their half with none idle here are opened all the same", async () => {
    await using origin = await RawOrigin.start();
    await using pair = await startPair({ descriptorsPerSide: 2 }, [origin.port]);
    await using first = await accepted(pair.one);
    await using second = await accepted(pair.one);
    first.send(get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    await served(second, origin);
    upstream.send(ok("served"));
    await first.takeThrough("served");
    first.reset();
    await eventually(() => pair.one.sample("naru_downstream_connections_active") === 1, "the first is gone");
    assert.equal(pair.one.cluster().connectionsActive, 2, "both are idle, in the one thread");
    await using third = await accepted(pair.two);
    await served(third, origin);
  });
});

suite("a connect that finds no descriptor", () => {
  for (const { attempts, flags } of [
    { attempts: 0, flags: "UF" },
    { attempts: 2, flags: "UF,URX" },
  ]) {
    test(`is 503 ${flags} with ${attempts} retries, counted, and over when there are some again`, async () => {
      const exhausted = new ExhaustedTransport();
      const retries = { ...defaultAction.retries, attempts, on: attempts === 0 ? [] : defaultAction.retries.on };
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({
        origins: [origin.port],
        transport: exhausted.transport,
        action: { retries },
      });
      await using client = await accepted(proxy);
      client.send(get());
      const text = await client.takeThrough("connection failure");
      assert.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
      assert.doesNotMatch(text, /EMFILE|connection: close/);
      assert.deepEqual(proxy.lastOutcome(), {
        code: 503,
        flags,
        details: "upstream_reset_before_response_started{connection_failure}",
      });
      assert.match(proxy.accessLog[0]?.upstreamTransportFailureReason ?? "", /EMFILE/);
      assert.equal(exhausted.refused, attempts + 1, "not tried for ever");
      assert.equal(proxy.sample("naru_descriptor_shortages_total"), attempts + 1);
      assert.equal(proxy.cluster().endpoints[0]?.connectionsFailed, attempts + 1);
      exhausted.exhausted = false;
      await served(client, origin);
    });
  }
});
