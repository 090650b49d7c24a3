// SPDX-License-Identifier: Apache-2.0
// Retries by route policy: when, where, how often, how soon, and what is sent again.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { RetryOn, RetryPolicy } from "../../src/model/index.ts";
import { answer, endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { defaultAction, eventually, nextTurn, startProxy, type ProxySetup } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";

function retrying(on: readonly RetryOn[], more: Partial<RetryPolicy> = {}): Pick<ProxySetup, "action"> {
  return { action: { retries: { ...defaultAction.retries, attempts: 2, on, ...more } } };
}

const failWith: Readonly<Record<string, (upstream: RawPeer) => void>> = {
  "500": (upstream) => upstream.send(answer(500)),
  "502": (upstream) => upstream.send(answer(502)),
  "503": (upstream) => upstream.send(answer(503)),
  "504": (upstream) => upstream.send(answer(504)),
  "409": (upstream) => upstream.send(answer(409)),
  "404": (upstream) => upstream.send(answer(404)),
  reset: (upstream) => upstream.reset(),
  close: (upstream) => upstream.finish(),
  garbage: (upstream) => upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
};

/** Condition → failures it answers with another attempt; all others of the table are passed on. */
const conditions: readonly (readonly [on: RetryOn, codes: readonly number[], retried: readonly string[]])[] = [
  ["5xx", [], ["500", "502", "503", "504", "reset", "close", "garbage"]],
  ["gateway-error", [], ["502", "503", "504", "reset", "close", "garbage"]],
  ["reset", [], ["reset", "close", "garbage"]],
  ["retriable-4xx", [], ["409"]],
  ["retriable-status-codes", [404, 500], ["404", "500"]],
  ["connect-failure", [], []],
];

for (const [on, statusCodes, retried] of conditions) {
  test(`${on} retries ${retried.join(", ") || "no answer and no reset"}`, async () => {
    for (const [failure, fail] of Object.entries(failWith)) {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port], ...retrying([on], { statusCodes }) });
      await using client = await proxy.connect();
      client.send(get());
      const upstream = await origin.connection();
      await upstream.takeThrough(endOfHead);
      fail(upstream);
      if (retried.includes(failure)) {
        const next = await origin.connection();
        assert.match(await next.takeThrough(endOfHead), /^GET \/ HTTP/, failure);
        next.send(ok("fine"));
        assert.equal(await client.takeThrough("fine"), okRelayed("fine"), failure);
        assert.deepEqual(proxy.lastOutcome(), { code: 200, flags: "-", details: "via_upstream" });
        assert.equal(proxy.sample("naru_retries_total"), 1);
      } else {
        await client.takeThrough(endOfHead);
        assert.equal(proxy.sample("naru_retries_total"), 0, failure);
      }
    }
  });
}

test("attempts are counted, and the last answer is passed on with URX", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], ...retrying(["5xx"]) });
  await using client = await proxy.connect();
  client.send(get());
  for (let attempt = 1; attempt <= 3; attempt++) {
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(500 + attempt));
  }
  assert.equal(await client.takeThrough(endOfHead), "HTTP/1.1 503 Status\r\nDate: now\r\ncontent-length: 0\r\n\r\n");
  assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "URX", details: "via_upstream" });
  assert.equal(origin.accepted, 3);
});

test("a retry avoids the endpoints that failed before", async () => {
  await using one = await RawOrigin.start();
  await using two = await RawOrigin.start();
  await using three = await RawOrigin.start();
  const origins = [one, two, three];
  await using proxy = await startProxy({ origins: origins.map(({ port }) => port), ...retrying(["5xx"]) });
  await using client = await proxy.connect();
  client.send(get());
  // Chance always says the first, yet each endpoint is asked once.
  for (const origin of origins) {
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(503));
  }
  await client.takeThrough(endOfHead);
  assert.deepEqual(
    proxy.cluster().endpoints.map(({ requestsTotal, requestsFailed }) => [requestsTotal, requestsFailed]),
    [
      [1, 1],
      [1, 1],
      [1, 1],
    ],
  );
});

test("the wait before retry N is random below (2^N - 1) times the base", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    random: () => 0.5,
    ...retrying(["5xx"], { attempts: 5, backoffMs: 100 }),
  });
  await using client = await proxy.connect();
  client.send(get());
  // Half of 100, 300, 700, and of the ceiling: ten times the base.
  for (const waitMs of [50, 150, 350, 500, 500]) {
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(answer(503));
    await upstream.takeToEnd();
    const before = origin.accepted;
    proxy.clock.advance(waitMs - 1);
    await nextTurn();
    assert.equal(proxy.cluster().requestsActive, 0, `nothing is sent within ${waitMs} ms`);
    assert.equal(origin.accepted, before);
    // Two ticks of the timer wheel.
    proxy.clock.advance(21);
    assert.equal(proxy.cluster().requestsActive, 1, `sent after ${waitMs} ms`);
  }
  const last = await origin.connection();
  last.send(ok("fine"));
  assert.equal(await client.takeThrough("fine"), okRelayed("fine"));
});

test("a try that takes too long on a kept-alive connection is no dead connection: only the policy repeats it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    ...retrying(["connect-failure"], { perTryTimeoutMs: 200 }),
  });
  await using client = await proxy.connect();
  client.send(get("/first"));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("first"));
  await client.takeThrough("\r\n\r\nfirst");
  client.send(get("/second"));
  await upstream.takeThrough(endOfHead);
  proxy.clock.advance(230);
  assert.equal(proxy.sample("naru_dead_connection_retries_total"), 0);
  assert.match(await client.takeThrough("upstream request timeout"), /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  assert.equal(origin.accepted, 1);
});

test("a try that takes too long is given up and retried; the last one is 504 UT,URX", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    ...retrying(["gateway-error"], { attempts: 1, perTryTimeoutMs: 200 }),
  });
  await using client = await proxy.connect();
  client.send(get());
  for (let attempt = 1; attempt <= 2; attempt++) {
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    proxy.clock.advance(190);
    await nextTurn();
    assert.equal(client.received, "");
    proxy.clock.advance(30);
    await upstream.takeToEnd();
    assert.equal(upstream.errorCode, "ECONNRESET");
  }
  assert.match(await client.takeThrough("upstream request timeout"), /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  assert.deepEqual(proxy.lastOutcome(), { code: 504, flags: "UT,URX", details: "upstream_per_try_timeout" });
  assert.equal(proxy.cluster().endpoints[0]?.requestsTimedOut, 2);
});

test("a try's time begins when its request is sent, and ends with the response head", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    cluster: { maxConnections: 1 },
    ...retrying([], { attempts: 0, perTryTimeoutMs: 200 }),
  });
  await using first = await proxy.connect();
  await using second = await proxy.connect();
  first.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  second.send(get("/queued"));
  await eventually(() => proxy.cluster().requestsPending === 1, "the second waits");
  proxy.clock.advance(5_000);
  first.send("hello");
  await upstream.takeThrough("hello");
  proxy.clock.advance(150);
  upstream.send("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 4\r\n\r\n");
  await first.takeThrough(endOfHead);
  proxy.clock.advance(5_000);
  upstream.send("late");
  await first.takeThrough("late");
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/queued /);
  proxy.clock.advance(150);
  upstream.send(ok("fine"));
  assert.equal(await second.takeThrough("fine"), okRelayed("fine"));
});

for (const framing of ["length", "chunked"] as const) {
  test(`a small body (${framing}) is sent again byte for byte`, async () => {
    const body = "x\r\n0\r\n\r\n".repeat(500);
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], ...retrying(["5xx"]) });
    await using client = await proxy.connect();
    if (framing === "length") client.send(post(body));
    else {
      client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      client.send(`7d0\r\n${body.slice(0, 2_000)}\r\n`);
      client.send(`7d0\r\n${body.slice(2_000)}\r\n0\r\nX-Sum: 1\r\n\r\n`);
    }
    const end = framing === "length" ? body.slice(-100) : "\r\n0\r\nX-Sum: 1\r\n\r\n";
    const first = await origin.connection();
    const head = await first.takeThrough(endOfHead);
    if (framing === "length") await first.takeBytes(body.length);
    else await first.takeThrough(end);
    first.send(answer(503));
    const second = await origin.connection();
    assert.equal(await second.takeThrough(endOfHead), head);
    assert.equal(
      framing === "length" ? await second.takeBytes(body.length) : await second.takeThrough(end),
      framing === "length" ? body : `fa0\r\n${body}${end}`,
    );
    second.send(ok("fine"));
    assert.equal(await client.takeThrough("fine"), okRelayed("fine"));
    assert.equal(second.received, "");
    assert.equal(proxy.accessLog[0]?.bytesReceived, body.length);
  });
}

test("a body that is still coming is repeated as far as it came, then goes on", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], random: () => 0.5, ...retrying(["5xx"]) });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  const first = await origin.connection();
  await first.takeThrough("3\r\none\r\n");
  first.send(answer(503));
  await first.takeToEnd();
  // These wait for the next attempt.
  client.send("3\r\ntwo\r\n");
  await nextTurn();
  proxy.clock.advance(50);
  const second = await origin.connection();
  await second.takeThrough(endOfHead);
  assert.equal(await second.takeThrough("two\r\n"), "3\r\none\r\n3\r\ntwo\r\n");
  client.send("5\r\nthree\r\n0\r\n\r\n");
  assert.equal(await second.takeThrough("0\r\n\r\n"), "5\r\nthree\r\n0\r\n\r\n");
  second.send(ok("fine"));
  assert.equal(await client.takeThrough("fine"), okRelayed("fine"));
});

test("a body too large to keep is not sent again; the first answer has to do", async () => {
  const body = "y".repeat(2_000);
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [origin.port],
    options: { retryBufferBytes: 1_999 },
    ...retrying(["5xx", "reset"]),
  });
  await using client = await proxy.connect();
  client.send(post(body));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  await upstream.takeBytes(body.length);
  upstream.send(answer(503));
  assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 503 Status\r\n/);
  assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "-", details: "via_upstream" });
  assert.equal(origin.accepted, 1);
});

test("a connect that fails is retried with the body, however large", async () => {
  const body = "z".repeat(300_000);
  await using gone = await RawOrigin.start();
  const refusing = gone.port;
  await gone[Symbol.asyncDispose]();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    origins: [refusing, origin.port],
    options: { retryBufferBytes: 10 },
  });
  await using client = await proxy.connect();
  client.send(post(body));
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  assert.equal(await upstream.takeBytes(body.length), body);
  upstream.send(ok("fine"));
  assert.equal(await client.takeThrough("fine"), okRelayed("fine"));
});

test("the route timeout ends retries too: 504 UT", async () => {
  await using origin = await RawOrigin.start();
  const retries: RetryPolicy = { ...defaultAction.retries, attempts: 2, on: ["5xx"], backoffMs: 1_000 };
  await using proxy = await startProxy({
    origins: [origin.port],
    random: () => 0.9,
    action: { timeoutMs: 500, retries },
  });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(answer(503));
  await upstream.takeToEnd();
  proxy.clock.advance(520);
  await client.takeThrough("upstream request timeout");
  assert.deepEqual(proxy.lastOutcome(), { code: 504, flags: "UT", details: "upstream_response_timeout" });
  proxy.clock.advance(5_000);
  await nextTurn();
  assert.equal(origin.accepted, 1);
});

test("a client that leaves during the wait ends the retry", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], random: () => 0.5, ...retrying(["5xx"]) });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(answer(503));
  await upstream.takeToEnd();
  client.finish();
  await client.takeToEnd();
  assert.deepEqual(proxy.lastOutcome(), { code: 0, flags: "DC", details: "downstream_remote_disconnect" });
  proxy.clock.advance(5_000);
  await nextTurn();
  assert.equal(origin.accepted, 1);
});

test("once a response has begun nothing is retried", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], ...retrying(["5xx", "reset"]) });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  await client.takeThrough("half");
  upstream.reset();
  await client.takeToEnd();
  assert.equal(client.errorCode, "ECONNRESET");
  assert.equal(origin.accepted, 1);
});
