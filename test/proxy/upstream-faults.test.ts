// SPDX-License-Identifier: Apache-2.0
// Every way an upstream connection can break, at every place of an exchange: what the client gets, what operators read,
// and that the connection is used by nobody again. That nothing is left over is the harness's check at the end.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { DeafListener } from "../support/deaf-listener.ts";
import { endOfHead, get, ok, post } from "../support/messages.ts";
import {
  defaultAction,
  endpoint,
  eventually,
  nextTurn,
  startProxy,
  type Outcome,
  type ProxySetup,
  type ProxyUnderTest,
} from "../support/proxy-under-test.ts";
import { RawOrigin, refusingPort, type RawPeer } from "../support/raw-peer.ts";

type Fault = "RST" | "FIN" | "stall";

/** What becomes of the client's connection. */
type Client = "kept" | "closed" | "reset";

type Expected = readonly [outcome: Outcome, client: Client];

interface Place {
  readonly name: string;
  readonly request: string;
  /** Brings the exchange there. */
  readonly reach: (upstream: RawPeer, client: RawPeer) => Promise<unknown>;
  readonly expected: Readonly<Record<Fault, Expected>>;
}

const terminated: Outcome = {
  code: 503,
  flags: "UC",
  details: "upstream_reset_before_response_started{connection_termination}",
};
const truncated: Outcome = {
  code: 200,
  flags: "UC",
  details: "upstream_reset_after_response_started{connection_termination}",
};
const complete: Outcome = { code: 200, flags: "-", details: "via_upstream" };
const idle = (code: number): Outcome => ({ code, flags: "SI", details: "stream_idle_timeout" });
const timedOut = (code: number): Outcome => ({ code, flags: "UT", details: "upstream_response_timeout" });

const beforeAnswer = { RST: [terminated, "kept"], FIN: [terminated, "kept"], stall: [idle(504), "kept"] } as const;
const inRequest = { RST: [terminated, "closed"], FIN: [terminated, "closed"], stall: [idle(408), "closed"] } as const;
const inAnswer = { RST: [truncated, "reset"], FIN: [truncated, "reset"], stall: [idle(200), "reset"] } as const;

const half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!";
const places: readonly Place[] = [
  { name: "before the request", request: get(), reach: (upstream) => paused(upstream), expected: beforeAnswer },
  {
    name: "after the request head",
    request: post("0123456789").slice(0, -10),
    reach: (upstream) => upstream.takeThrough(endOfHead),
    expected: inRequest,
  },
  {
    name: "after half of the request body",
    request: post("0123456789").slice(0, -5),
    reach: (upstream) => upstream.takeThrough("01234"),
    expected: inRequest,
  },
  {
    name: "after the request",
    request: post("0123456789"),
    reach: (upstream) => upstream.takeThrough("0123456789"),
    expected: beforeAnswer,
  },
  {
    name: "after part of the response head",
    request: get(),
    reach: answerPart("HTTP/1.1 200 OK\r\nDa", 3),
    expected: beforeAnswer,
  },
  {
    name: "after the response head",
    request: get(),
    reach: answerThrough("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", endOfHead),
    expected: inAnswer,
  },
  {
    name: "in the response body, with Content-Length",
    request: get(),
    reach: answerThrough(half, "half!"),
    expected: inAnswer,
  },
  {
    name: "in the response body, chunked",
    request: get(),
    reach: answerThrough("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half\r\n"),
    expected: inAnswer,
  },
  {
    name: "in the response body, ended by close",
    request: get(),
    reach: answerThrough("HTTP/1.1 200 OK\r\n\r\nhalf", "half\r\n"),
    // Its end is how such a body ends.
    expected: { ...inAnswer, FIN: [complete, "kept"] },
  },
];

async function paused(upstream: RawPeer): Promise<void> {
  upstream.socket.pause();
  await nextTurn();
}

function answerPart(bytes: string, turns: number): Place["reach"] {
  return async (upstream) => {
    await upstream.takeThrough(endOfHead);
    upstream.send(bytes);
    for (let turn = 0; turn < turns; turn++) await nextTurn();
  };
}

function answerThrough(bytes: string, end: string): Place["reach"] {
  return async (upstream, client) => {
    await upstream.takeThrough(endOfHead);
    upstream.send(bytes);
    await client.takeThrough(end);
  };
}

const streamIdleTimeoutMs = 20_000;
const noRetries = { retries: { ...defaultAction.retries, attempts: 0, on: [] } };

function hits(proxy: ProxyUnderTest, limit: string): number {
  const samples = proxy.dataPlane.samples().filter(({ name }) => name === "naru_limit_hits_total");
  return samples.find(({ labels }) => labels["limit"] === limit)?.value ?? assert.fail(`no counter for ${limit}`);
}

/** Brings an exchange to `place`, lets `fail` happen there, and holds what follows against `expected`. */
async function assertFault(
  place: Place,
  setup: ProxySetup,
  fail: (upstream: RawPeer, proxy: ProxyUnderTest) => void,
  [outcome, becomes]: Expected,
): Promise<ProxyUnderTest> {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], options: { streamIdleTimeoutMs }, ...setup });
  await using client = await proxy.connect();
  client.send(place.request);
  const upstream = await origin.connection();
  await place.reach(upstream, client);
  fail(upstream, proxy);
  await eventually(() => proxy.exchanges.length === 1, "the exchange is over");
  assert.deepEqual(proxy.outcomes(), [outcome]);
  await assertClient(client, becomes, outcome);
  assert.equal(proxy.cluster().connectionsActive, 0, "the upstream connection is not kept");
  upstream.socket.resume();
  await eventually(() => upstream.ended, "the origin learns of it");
  // The next request finds another connection.
  await using next = becomes === "kept" ? null : await proxy.connect();
  const asking = next ?? client;
  asking.send(get("/next"));
  const fresh = await origin.connection();
  await fresh.takeThrough(endOfHead);
  fresh.send(ok("next"));
  await asking.takeThrough("next");
  assert.equal(origin.accepted, 2);
  assert.equal(proxy.sample("naru_retries_total") + proxy.sample("naru_dead_connection_retries_total"), 0);
  return proxy;
}

async function assertClient(client: RawPeer, becomes: Client, { code, flags }: Outcome): Promise<void> {
  if (becomes === "reset") {
    assert.doesNotMatch(await client.takeToEnd(), /0\r\n\r\n$/, "no end is made up");
    assert.equal(client.errorCode, "ECONNRESET");
    return;
  }
  if (flags === "-") {
    assert.equal(await client.takeThrough("0\r\n\r\n"), "0\r\n\r\n");
    return;
  }
  const head = await client.takeThrough(endOfHead);
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${code} `));
  const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
  assert.ok(length > 0, "it says why");
  await client.takeBytes(length);
  assert.equal(/\r\nconnection: close\r\n/.test(head), becomes === "closed", head);
  if (becomes === "closed") assert.equal(await client.takeToEnd(), "");
}

suite("an upstream connection that breaks", () => {
  for (const place of places) {
    for (const fault of ["RST", "FIN"] as const) {
      test(`${fault} ${place.name}`, async () => {
        const proxy = await assertFault(
          place,
          { action: noRetries },
          (upstream) => (fault === "RST" ? upstream.reset() : upstream.finish()),
          place.expected[fault],
        );
        const [outcome] = place.expected[fault];
        const failed = outcome === complete ? 0 : 1;
        const [{ requestsFailed, requestsSucceeded, requestsTimedOut }] = [proxy.cluster().endpoints[0]!];
        assert.deepEqual([requestsFailed, requestsSucceeded, requestsTimedOut], [failed, 2 - failed, 0]);
        const reason = proxy.accessLog[0]?.upstreamTransportFailureReason ?? "";
        if (failed === 1) assert.match(reason, fault === "RST" ? /ECONNRESET|EPIPE/ : /closed by the upstream/);
      });
    }
  }
});

suite("an upstream that says nothing more", () => {
  for (const place of places) {
    test(`stall ${place.name}: the stream idle timeout`, async () => {
      const proxy = await assertFault(
        place,
        { action: noRetries },
        (_upstream, { clock }) => clock.advance(streamIdleTimeoutMs + 2_000),
        place.expected.stall,
      );
      assert.equal(hits(proxy, "stream-idle-timeout"), 1);
      assert.equal(proxy.cluster().endpoints[0]?.requestsFailed, 1);
    });
  }

  for (const place of places.filter(({ expected }) => expected !== inRequest)) {
    test(`stall ${place.name}: the route timeout, when there is one`, async () => {
      const isBegun = place.expected.RST[0].code === 200;
      const proxy = await assertFault(
        place,
        { action: { ...noRetries, timeoutMs: 1_000 } },
        (_upstream, { clock }) => clock.advance(1_100),
        [timedOut(isBegun ? 200 : 504), isBegun ? "reset" : "kept"],
      );
      assert.equal(proxy.cluster().endpoints[0]?.requestsTimedOut, 1);
      assert.equal(hits(proxy, "stream-idle-timeout"), 0);
    });
  }
});

suite("an upstream that cannot be reached", () => {
  const failure = (reason: string): Outcome => ({
    code: 503,
    flags: "UF",
    details: `upstream_reset_before_response_started{${reason}}`,
  });

  test("connection refused", async () => {
    await using proxy = await startProxy({ origins: [await refusingPort()], action: noRetries });
    await using client = await proxy.connect();
    client.send(get());
    await client.takeThrough("connection failure");
    assert.deepEqual(proxy.outcomes(), [failure("connection_failure")]);
    assert.equal(proxy.sample("naru_upstream_connect_failures"), 1);
    assert.match(proxy.accessLog[0]?.upstreamTransportFailureReason ?? "", /ECONNREFUSED/);
  });

  test("SYN unanswered, as from a machine that is gone or a backlog that is full", async () => {
    await using deaf = await DeafListener.start();
    await using proxy = await startProxy({ origins: [deaf.port], action: noRetries });
    await using client = await proxy.connect();
    client.send(get());
    await eventually(() => proxy.cluster().connectionsActive === 1, "naru connects");
    proxy.clock.advance(9_900);
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    assert.deepEqual(proxy.outcomes(), [], "nobody answers");
    proxy.clock.advance(200);
    await client.takeThrough("connection timeout");
    assert.deepEqual(proxy.outcomes(), [failure("connection_timeout")]);
    assert.equal(proxy.sample("naru_upstream_connect_failures"), 1);
    assert.equal(proxy.cluster().connectionsActive, 0);
  });

  test("SYN unanswered: another endpoint is tried", async () => {
    await using deaf = await DeafListener.start();
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ cluster: { connectTimeoutMs: 500 } });
    proxy.setEndpoints([endpoint(deaf.port), endpoint(origin.port)]);
    await using client = await proxy.connect();
    client.send(post("body"));
    await eventually(() => proxy.cluster().connectionsActive === 1, "naru connects");
    proxy.clock.advance(600);
    const upstream = await origin.connection();
    await upstream.takeThrough("body");
    upstream.send(ok("there"));
    await client.takeThrough("there");
    assert.deepEqual(proxy.outcomes(), [complete]);
    assert.equal(proxy.sample("naru_retries_total"), 1);
    assert.equal(proxy.sample("naru_upstream_connect_failures"), 1);
  });
});
