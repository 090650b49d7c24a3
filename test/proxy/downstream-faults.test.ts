// SPDX-License-Identifier: Apache-2.0
// Every way a client can leave or fall silent, at every place of an exchange: what is recorded, what becomes of the
// upstream connection, and which limit ends it. The harness checks at the end that nothing is left over.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";

import { endOfHead, get, ok, post } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type Outcome, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";

interface Place {
  readonly name: string;
  /** What the client sends to get there, or "". */
  readonly sends: string;
  /** What arrives at the origin, or "": it is not asked. */
  readonly arrives: string;
  /** What the origin answers, and the client gets of it. */
  readonly answers?: readonly [bytes: string, arrives: string];
  /** What is recorded when the client leaves there; null: nothing was asked for. */
  readonly leaves: Outcome | null;
  /** What is recorded, what the client gets and which limit counts when it falls silent there. */
  readonly stalls: { readonly outcome: Outcome | null; readonly gets: RegExp; readonly limit: string };
}

const disconnected = (code: number): Outcome => ({ code, flags: "DC", details: "downstream_remote_disconnect" });
const idle = (code: number): Outcome => ({ code, flags: "SI", details: "stream_idle_timeout" });
const times = { downstreamIdleTimeoutMs: 60_000, requestHeaderTimeoutMs: 10_000, streamIdleTimeoutMs: 20_000 };

const places: readonly Place[] = [
  {
    name: "after the connect",
    sends: "",
    arrives: "",
    leaves: null,
    stalls: { outcome: null, gets: /^$/, limit: "idle-timeout" },
  },
  {
    name: "in the head",
    sends: "GET / HTTP/1.1\r\nHost:",
    arrives: "",
    leaves: null,
    stalls: {
      outcome: { code: 408, flags: "-", details: "request_header_timeout" },
      gets: /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/,
      limit: "header-timeout",
    },
  },
  {
    name: "in the body",
    sends: post("0123456789").slice(0, -5),
    arrives: "01234",
    leaves: disconnected(0),
    stalls: { outcome: idle(408), gets: /^HTTP\/1\.1 408 [^]*stream timeout$/, limit: "stream-idle-timeout" },
  },
  {
    name: "while it waits for the answer",
    sends: post("0123456789"),
    arrives: "0123456789",
    leaves: disconnected(0),
    // Waiting is what it should do: it is the origin that says nothing.
    stalls: { outcome: idle(504), gets: /^HTTP\/1\.1 504 [^]*stream timeout$/, limit: "stream-idle-timeout" },
  },
  {
    name: "in the answer",
    sends: get(),
    arrives: endOfHead,
    answers: ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!", "half!"],
    leaves: disconnected(200),
    stalls: { outcome: idle(200), gets: /^$/, limit: "stream-idle-timeout" },
  },
];

interface There {
  readonly origin: RawOrigin;
  readonly proxy: ProxyUnderTest;
  readonly client: RawPeer;
  readonly upstream: RawPeer | null;
  [Symbol.asyncDispose](): Promise<void>;
}

async function reach(place: Place): Promise<There> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await RawOrigin.start());
  const proxy = stack.use(await startProxy({ origins: [origin.port], options: times }));
  const client = stack.use(await proxy.connect());
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 1, "it is accepted");
  let upstream: RawPeer | null = null;
  if (place.sends !== "") client.send(place.sends);
  if (place.sends !== "" && place.arrives === "") {
    await eventually(() => proxy.sample("naru_exchanges_active") === 1, "the head has begun");
  }
  if (place.arrives !== "") {
    upstream = await origin.connection();
    await upstream.takeThrough(place.arrives);
  }
  if (place.answers !== undefined) {
    upstream!.send(place.answers[0]);
    await client.takeThrough(place.answers[1]);
  }
  const owned = stack.move();
  return { origin, proxy, client, upstream, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Nothing of it is left, and the origin knows. */
async function assertGone({ proxy, upstream }: There, outcome: Outcome | null): Promise<void> {
  await eventually(() => proxy.sample("naru_downstream_connections_active") === 0, "the client's connection is gone");
  assert.deepEqual(proxy.outcomes(), outcome === null ? [] : [outcome]);
  assert.equal(proxy.sample("naru_exchanges_active"), 0);
  const { connectionsActive, requestsActive, endpoints } = proxy.cluster();
  assert.deepEqual([connectionsActive, requestsActive], [0, 0]);
  if (upstream === null) return;
  await upstream.takeToEnd();
  assert.equal(upstream.errorCode, "ECONNRESET", "an abort, not an end");
  assert.equal(endpoints[0]?.connectionsFailed, 0, "no fault of the endpoint");
}

function limitHits(proxy: ProxyUnderTest): Record<string, number> {
  const samples = proxy.dataPlane.samples().filter(({ name, value }) => name === "naru_limit_hits_total" && value > 0);
  return Object.fromEntries(samples.map(({ labels, value }) => [labels["limit"], value]));
}

suite("a client that leaves", () => {
  for (const place of places) {
    for (const [how, go] of [
      ["RST", (client: RawPeer) => client.reset()],
      ["FIN", (client: RawPeer) => client.finish()],
    ] as const) {
      test(`${how} ${place.name}`, async () => {
        await using there = await reach(place);
        go(there.client);
        await assertGone(there, place.leaves);
        assert.deepEqual(limitHits(there.proxy), {});
      });
    }
  }
});

suite("a client that falls silent", () => {
  for (const place of places) {
    const { outcome, gets, limit } = place.stalls;
    test(`${place.name}: ${limit}`, async () => {
      await using there = await reach(place);
      const { proxy, client } = there;
      const limitMs = { "idle-timeout": 60_000, "header-timeout": 10_000 }[limit] ?? 20_000;
      proxy.clock.advance(limitMs - 1_000);
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      assert.deepEqual([client.received, client.ended], ["", false], "not before its time");
      proxy.clock.advance(2_000);
      if (outcome?.code === 504) {
        await client.takeThrough("stream timeout");
        client.reset();
      } else {
        assert.match(await client.takeToEnd(), gets);
        client.finish();
      }
      assert.equal(client.errorCode === "ECONNRESET", outcome?.code === 200, "broken off once an answer has begun");
      await assertGone(there, outcome);
      assert.deepEqual(limitHits(proxy), { [limit]: 1 });
    });
  }
});

// A peer that is gone without a word looks like a silent one. Timeouts end what an exchange waits for; TCP keep-alive
// finds peers of connections that nobody waits for, which no test can wait for: it is looked up with the kernel.
suite("a peer that vanishes", () => {
  test("both ends of naru have TCP keep-alive set, between exchanges and within", async () => {
    await using there = await reach(places[3]!);
    const { proxy, client, upstream } = there;
    const pairs = [
      [proxy.port, client.socket.localPort!],
      [upstream!.socket.remotePort!, upstream!.socket.localPort!],
    ] as const;
    for (const [own, peer] of pairs) assert.equal(timerOf(own, peer), keepAliveTimer, "within an exchange");
    upstream!.send(ok("done"));
    await client.takeThrough("done");
    for (const [own, peer] of pairs) assert.equal(timerOf(own, peer), keepAliveTimer, "between exchanges");
  });

  test("an upstream that vanished while idle is found when it is used: the answer that never comes is 504", async () => {
    await using there = await reach(places[3]!);
    const { proxy, client, upstream } = there;
    upstream!.send(ok("done"));
    await client.takeThrough("done");
    // Nothing of what naru sends is taken note of from here on.
    upstream!.socket.pause();
    client.send(get());
    await eventually(() => proxy.cluster().requestsActive === 1, "it is sent");
    proxy.clock.advance(22_000);
    await client.takeThrough("stream timeout");
    assert.deepEqual(proxy.lastOutcome(), idle(504));
    assert.deepEqual(limitHits(proxy), { "stream-idle-timeout": 1 });
    assert.equal(proxy.cluster().connectionsActive, 0, "it is not used again");
    client.send(get());
    const fresh = await there.origin.connection();
    await fresh.takeThrough(endOfHead);
    fresh.send(ok("fresh"));
    await client.takeThrough("fresh");
    upstream!.socket.resume();
  });
});

/** The kernel's number for a running keep-alive timer, in /proc/net/tcp. */
const keepAliveTimer = "02";

/** The timer that runs for a connection on loopback, as the kernel shows it. */
function timerOf(localPort: number, remotePort: number): string | undefined {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readFileSync(table, "latin1").split("\n")) {
      const [, local, remote, , , timer] = line.trim().split(/\s+/);
      if (local?.endsWith(`:${hex(localPort)}`) === true && remote?.endsWith(`:${hex(remotePort)}`) === true) {
        return timer?.slice(0, 2);
      }
    }
  }
  return undefined;
}
