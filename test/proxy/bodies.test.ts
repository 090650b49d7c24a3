// SPDX-License-Identifier: Apache-2.0
// Bodies in both directions: framing, trailers, interim responses and expectations, however the bytes are cut.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { answer, endOfHead, get, ok, okRelayed, post } from "../support/messages.ts";
import { eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin, type RawPeer } from "../support/raw-peer.ts";
import { SlowReaders, unflushedTransport } from "../support/transports.ts";

const forwardingFields =
  "x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-request-id: 5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a\r\n";

const idle = (proxy: ProxyUnderTest): number => proxy.cluster().connectionsActive - proxy.cluster().requestsActive;

async function sendInPieces(peer: RawPeer, bytes: string, size: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += size) {
    peer.send(bytes.slice(at, at + size));
    await nextTurn();
  }
}

/** Bytes that do not compress, chunk or align; the same for the same length. */
function noise(length: number): string {
  let seed = length;
  let text = "";
  while (text.length < length) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += String.fromCharCode(seed & 255, (seed >> 8) & 255, (seed >> 16) & 255);
  }
  return text.slice(0, length);
}

const digest = (bytes: string): string => createHash("sha256").update(bytes, "latin1").digest("hex");

/** Payload of chunks whose sizes nobody promised. */
function dechunk(bytes: string): string {
  let payload = "";
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16);
    if (size === 0) return payload;
    payload += bytes.slice(lineEnd + 2, lineEnd + 2 + size);
    assert.equal(bytes.slice(lineEnd + 2 + size, lineEnd + 4 + size), "\r\n");
    at = lineEnd + 4 + size;
  }
}

const requests: readonly (readonly [name: string, sent: string, forwarded: string])[] = [
  ["no body", get(), `GET / HTTP/1.1\r\nHost: a\r\n${forwardingFields}\r\n`],
  ["length", post("hello"), `POST / HTTP/1.1\r\nHost: a\r\n${forwardingFields}content-length: 5\r\n\r\nhello`],
  ["length zero", post(""), `POST / HTTP/1.1\r\nHost: a\r\n${forwardingFields}content-length: 0\r\n\r\n`],
  [
    "length with leading zeros on GET",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0002\r\n\r\nab",
    `GET / HTTP/1.1\r\nHost: a\r\n${forwardingFields}content-length: 2\r\n\r\nab`,
  ],
  [
    "empty chunked",
    "DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    `DELETE / HTTP/1.1\r\nHost: a\r\n${forwardingFields}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    "chunked with trailers",
    "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "3\r\nabc\r\n0\r\nX-Sum: 7\r\nAuthorization: x\r\n\r\n",
    `POST / HTTP/1.1\r\nHost: a\r\n${forwardingFields}te: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\n\r\n` +
      "3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
  ],
];

for (const [name, sent, forwarded] of requests) {
  test(`a request (${name}) arrives with the same head and body however it is cut`, async () => {
    for (const size of [sent.length, 1]) {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port] });
      await using client = await proxy.connect();
      await sendInPieces(client, sent, size);
      const upstream = await origin.connection();
      if (size > 1 || !forwarded.includes("transfer-encoding")) {
        assert.equal(await upstream.takeBytes(forwarded.length), forwarded);
      } else {
        // Chunks are cut where the bytes were; what they hold and what follows is the same.
        const end = forwarded.slice(forwarded.lastIndexOf("0\r\n"));
        const head = await upstream.takeThrough(endOfHead);
        assert.equal(head, forwarded.slice(0, forwarded.indexOf(endOfHead) + 4));
        const body = await upstream.takeThrough(end);
        assert.equal(dechunk(body), dechunk(forwarded.slice(head.length)));
      }
      upstream.send(ok("done"));
      assert.equal(await client.takeThrough("done"), okRelayed("done"));
      assert.equal(upstream.received, "");
      assert.equal(idle(proxy), 1);
    }
  });
}

const chunkedHead = "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n";
const chunkedHeadRelayed = "HTTP/1.1 200 OK\r\nDate: now\r\ntransfer-encoding: chunked\r\n\r\n";

interface ResponseCase {
  readonly name: string;
  readonly request?: string;
  readonly sent: string;
  readonly relayed: string;
  readonly kept: boolean;
  /** The body is framed in chunks, whose borders depend on the cuts. */
  readonly chunked?: boolean;
  readonly untilClose?: boolean;
}

const responses: readonly ResponseCase[] = [
  { name: "length", sent: ok("hello"), relayed: okRelayed("hello"), kept: true },
  { name: "length zero", sent: ok(""), relayed: okRelayed(""), kept: true },
  {
    name: "chunked, trailers not asked for",
    sent: `${chunkedHead}3;ext="q"\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n`,
    relayed: `${chunkedHeadRelayed}5\r\nabcde\r\n0\r\n\r\n`,
    kept: true,
    chunked: true,
  },
  {
    name: "chunked, trailers asked for",
    request: get("/", "TE: trailers\r\nConnection: TE\r\n"),
    sent: `${chunkedHead}3\r\nabc\r\n0\r\nX-Sum: 7\r\nSet-Cookie: no\r\n\r\n`,
    relayed: `${chunkedHeadRelayed}3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`,
    kept: true,
    chunked: true,
  },
  {
    name: "empty chunked",
    sent: `${chunkedHead}0\r\n\r\n`,
    relayed: `${chunkedHeadRelayed}0\r\n\r\n`,
    kept: true,
    chunked: true,
  },
  {
    name: "until close",
    sent: "HTTP/1.1 200 OK\r\nDate: now\r\n\r\nto the end",
    relayed: `${chunkedHeadRelayed}a\r\nto the end\r\n0\r\n\r\n`,
    kept: false,
    chunked: true,
    untilClose: true,
  },
  {
    name: "empty until close",
    sent: "HTTP/1.0 200 OK\r\nDate: now\r\n\r\n",
    relayed: `${chunkedHeadRelayed}0\r\n\r\n`,
    kept: false,
    chunked: true,
    untilClose: true,
  },
  {
    name: "HEAD with a length",
    request: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    sent: "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 1000\r\n\r\n",
    relayed: "HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length: 1000\r\n\r\n",
    kept: true,
  },
  {
    name: "HEAD, chunked",
    request: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    sent: chunkedHead,
    relayed: "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n",
    kept: true,
  },
  {
    name: "204",
    sent: "HTTP/1.1 204 No Content\r\nDate: now\r\nContent-Length: 0\r\n\r\n",
    relayed: "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n",
    kept: true,
  },
  {
    name: "304 with the length of what it stands for",
    sent: "HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 10\r\nETag: x\r\n\r\n",
    relayed: "HTTP/1.1 304 Not Modified\r\nDate: now\r\nETag: x\r\ncontent-length: 10\r\n\r\n",
    kept: true,
  },
  {
    name: "no reason phrase, no Date",
    sent: "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
    relayed: "HTTP/1.1 200 \r\ndate: Fri, 02 Jan 2026 03:04:05 GMT\r\ncontent-length: 1\r\n\r\nx",
    kept: true,
  },
  {
    name: "103 first",
    sent: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n${ok("late")}`,
    relayed: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${okRelayed("late")}`,
    kept: true,
  },
  {
    name: "100 nobody waits for",
    sent: `HTTP/1.1 100 Continue\r\n\r\n${ok("late")}`,
    relayed: okRelayed("late"),
    kept: true,
  },
];

for (const { name, request = get(), sent, relayed, kept, chunked = false, untilClose = false } of responses) {
  test(`a response (${name}) arrives with the same head and body however it is cut`, async () => {
    for (const size of [sent.length, 1]) {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port] });
      await using client = await proxy.connect();
      client.send(request);
      const upstream = await origin.connection();
      await upstream.takeThrough(endOfHead);
      await sendInPieces(upstream, sent, size);
      if (untilClose) upstream.finish();
      if (chunked && (size === 1 || untilClose)) {
        const head = await client.takeThrough(endOfHead);
        assert.equal(head, relayed.slice(0, relayed.indexOf(endOfHead) + 4));
        const body = await client.takeThrough(relayed.slice(relayed.lastIndexOf("0\r\n")));
        assert.equal(dechunk(body), dechunk(relayed.slice(head.length)));
      } else {
        assert.equal(await client.takeBytes(relayed.length), relayed);
      }
      await eventually(() => proxy.sample("naru_exchanges_active") === 0, "the exchange is over");
      assert.equal(client.received, "");
      assert.equal(client.ended, false);
      assert.equal(idle(proxy), kept ? 1 : 0);
      assert.equal(proxy.lastOutcome()?.details, "via_upstream");
    }
  });
}

test("heads just below the limit go through in both directions, whatever the pieces", async () => {
  const fields = Array.from({ length: 90 }, (_, index) => `X-${index}: ${"v".repeat(640)}\r\n`).join("");
  for (const size of [100_000, 999, 65_000]) {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    await sendInPieces(client, get("/", fields), size);
    const upstream = await origin.connection();
    assert.equal(
      await upstream.takeThrough(endOfHead),
      `GET / HTTP/1.1\r\nHost: a\r\n${fields}${forwardingFields}\r\n`,
    );
    await sendInPieces(upstream, ok("done", fields), size);
    assert.equal(
      await client.takeThrough("done"),
      `HTTP/1.1 200 OK\r\nDate: now\r\n${fields}content-length: 4\r\n\r\ndone`,
    );
    assert.equal(idle(proxy), 1);
  }
});

test("a request head beyond the limit is 431 and the end, whatever the pieces", async () => {
  for (const size of [100_000, 999]) {
    await using proxy = await startProxy();
    await using client = await proxy.connect();
    await sendInPieces(client, get("/", `X: ${"x".repeat(61 * 1024)}\r\n`), size);
    assert.match(
      await client.takeToEnd(),
      /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n.*connection: close\r\n/s,
    );
    assert.equal(client.errorCode, null);
    assert.equal(proxy.lastOutcome()?.details, "request_headers_too_large");
  }
});

test("an HTTP/1.0 client gets no interim responses", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  const upstream = await origin.connection();
  upstream.send(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok("late")}`);
  assert.match(await client.takeToEnd(), /^HTTP\/1\.1 200 OK\r\n/);
});

for (const [name, bytes] of [
  ["101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
  ["more 1xx than anybody needs", "HTTP/1.1 102 Processing\r\n\r\n".repeat(17)],
] as const) {
  test(`${name} is a protocol error of the upstream`, async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(bytes);
    await client.takeThrough("HTTP/1.1 502 Bad Gateway\r\n");
    await upstream.takeToEnd();
    assert.deepEqual(proxy.lastOutcome(), {
      code: 502,
      flags: "UPE",
      details: "upstream_reset_before_response_started{protocol_error}",
    });
  });
}

const megabytes = 4 * 1024 * 1024;

for (const framing of ["length", "chunked", "until close"] as const) {
  test(`${megabytes} bytes of a response (${framing}) arrive unchanged`, async () => {
    const body = noise(megabytes);
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(get());
    const upstream = await origin.connection();
    if (framing === "length") upstream.send(ok(body));
    else if (framing === "until close") upstream.send(`HTTP/1.1 200 OK\r\n\r\n${body}`);
    else {
      upstream.send(chunkedHead);
      for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 9_973) {
        const piece = body.slice(at, at + size);
        upstream.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      upstream.send("0\r\n\r\n");
    }
    if (framing === "until close") upstream.finish();
    await client.takeThrough(endOfHead);
    const received =
      framing === "length" ? await client.takeBytes(body.length) : dechunk(await client.takeThrough("\r\n0\r\n\r\n"));
    assert.equal(digest(received), digest(body));
    assert.equal(proxy.accessLog[0]?.bytesSent, megabytes);
  });
}

for (const framing of ["length", "chunked"] as const) {
  test(`${megabytes} bytes of a request (${framing}) arrive unchanged`, async () => {
    const body = noise(megabytes);
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    if (framing === "length") client.send(post(body));
    else {
      client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 9_973) {
        const piece = body.slice(at, at + size);
        client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      client.send("0\r\n\r\n");
    }
    const upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    const received =
      framing === "length"
        ? await upstream.takeBytes(body.length)
        : dechunk(await upstream.takeThrough("\r\n0\r\n\r\n"));
    assert.equal(digest(received), digest(body));
    upstream.send(ok("thanks"));
    await client.takeThrough("thanks");
    assert.equal(proxy.accessLog[0]?.bytesReceived, megabytes);
  });
}

test("a client that waits gets 100 as soon as its upstream is known, once", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const upstream = await origin.connection();
  const head = await upstream.takeThrough(endOfHead);
  assert.doesNotMatch(head, /expect/i);
  assert.equal(await client.takeThrough(endOfHead), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  assert.equal(await upstream.takeBytes(5), "hello");
  upstream.send(`HTTP/1.1 100 Continue\r\n\r\n${ok("done")}`);
  assert.equal(await client.takeThrough("done"), okRelayed("done"));
});

test("a client that does not wait gets no 100", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send(post("hello", "Expect: 100-continue\r\n"));
  const upstream = await origin.connection();
  await upstream.takeThrough("hello");
  upstream.send(ok("done"));
  assert.equal(await client.takeThrough("done"), okRelayed("done"));
});

test("a client that waits for 100 is told 404 and that the connection ends", async () => {
  await using proxy = await startProxy({ routes: [] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  const text = await client.takeThrough(endOfHead);
  assert.match(text, /^HTTP\/1\.1 404 Not Found\r\n/);
  assert.match(text, /\r\nconnection: close\r\n/);
  assert.equal(await client.takeToEnd(), "");
});

test("an expectation other than 100-continue is answered 417", async () => {
  await using proxy = await startProxy();
  await using client = await proxy.connect();
  client.send(post("x", "Expect: y 100-continue\r\n"));
  assert.match(await client.takeThrough("Expectation Failed"), /^HTTP\/1\.1 417 /);
  assert.equal(proxy.lastOutcome()?.details, "expectation_failed");
});

test("an answer that comes before the request is complete is relayed, announces the end and closes both sides", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
  const upstream = await origin.connection();
  await upstream.takeThrough("part");
  upstream.send(answer(413));
  assert.equal(
    await client.takeToEnd(),
    "HTTP/1.1 413 Status\r\nDate: now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
  );
  assert.equal(client.errorCode, null);
  await upstream.takeToEnd();
  assert.deepEqual(proxy.lastOutcome(), { code: 413, flags: "-", details: "via_upstream" });
});

test("a request goes on while its answer is already coming", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  const upstream = await origin.connection();
  await upstream.takeThrough("1\r\na\r\n");
  upstream.send(`${chunkedHead}1\r\nA\r\n`);
  await client.takeThrough("1\r\nA\r\n");
  client.send("1\r\nb\r\n0\r\n\r\n");
  await upstream.takeThrough("1\r\nb\r\n0\r\n\r\n");
  upstream.send("1\r\nB\r\n0\r\n\r\n");
  // Whoever answers early may not have read what came later, so neither connection carries another exchange.
  assert.equal(await client.takeToEnd(), "1\r\nB\r\n0\r\n\r\n");
  assert.equal(client.errorCode, null);
  assert.equal(idle(proxy), 0);
});

test("a connection that answered before all of its request was sent is not used again", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport: unflushedTransport() });
  await using client = await proxy.connect();
  client.send(post("hello"));
  const upstream = await origin.connection();
  await upstream.takeThrough("hello");
  upstream.send(ok("early"));
  await client.takeThrough("early");
  await upstream.takeToEnd();
  assert.equal(idle(proxy), 0);
});

test("an upstream connection that had to wait for a slow client reads again for the next one", async () => {
  const slow = new SlowReaders();
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], transport: slow.transport });
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  // More chunks than are passed on at once: the client is found slow in the middle of what has been read.
  upstream.send(`${chunkedHead}${"1\r\na\r\n".repeat(200)}0\r\n\r\n`);
  await client.takeThrough("\r\n0\r\n\r\n");
  assert.equal(idle(proxy), 1);
  slow.drain();
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("next"));
  assert.equal(await client.takeThrough("next"), okRelayed("next"));
  slow.drain();
});

test("a long body is counted to the byte, and what follows it on both connections is not part of it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  const size = 3 * 1024 * 1024 + 7;
  const body = noise(size);
  client.send(get());
  const upstream = await origin.connection();
  for (let round = 0; round < 2; round++) {
    await upstream.takeThrough(endOfHead);
    upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const head = await client.takeThrough(endOfHead);
    upstream.send(body);
    assert.equal(digest(await client.takeBytes(size)), digest(body));
    assert.equal(client.received, "");
    assert.equal(proxy.exchanges[round]?.responseBytes, head.length + size);
    client.send(get());
  }
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("next"));
  await client.takeThrough("next");
  assert.equal(origin.accepted, 1);
});

test("a long body with surplus behind it costs the connection, and the surplus is nobody's answer", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  const body = noise(2_000_000);
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
  await client.takeThrough(endOfHead);
  upstream.send(`${body}${ok("poison")}`);
  assert.equal(digest(await client.takeBytes(body.length)), digest(body));
  await eventually(() => idle(proxy) === 0, "it is not kept");
  client.send(get());
  const next = await origin.connection();
  await next.takeThrough(endOfHead);
  next.send(ok("next"));
  assert.match(await client.takeThrough("next"), /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(!client.received.includes("poison"));
});

test("surplus behind a long body is not the answer to a request that waits for the connection", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port], cluster: { maxConnections: 1 } });
  await using client = await proxy.connect();
  await using waiting = await proxy.connect();
  const body = noise(110_000);
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  waiting.send(get("/second"));
  await eventually(() => proxy.cluster().requestsPending === 1, "it waits");
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
  await client.takeThrough(endOfHead);
  upstream.send(`${body}${ok("poison")}`);
  assert.equal(digest(await client.takeBytes(body.length)), digest(body));
  const next = await origin.connection();
  assert.match(await next.takeThrough(endOfHead), /^GET \/second /);
  next.send(ok("second"));
  assert.equal(await waiting.takeThrough("second"), okRelayed("second"));
});

test("a client that sends the next request while it reads a long answer, and one that goes away in it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  const body = noise(192 * 1024);
  const whole = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  for (let round = 0; round < 20; round++) {
    await upstream.takeThrough(endOfHead);
    upstream.send(whole.slice(0, 30_000));
    await client.takeThrough(endOfHead);
    client.send(get());
    upstream.send(whole.slice(30_000));
    assert.equal(digest(await client.takeBytes(body.length)), digest(body));
  }
  assert.equal(origin.accepted, 1);
  await upstream.takeThrough(endOfHead);
  upstream.send(whole.slice(0, 30_000));
  await client.takeThrough(endOfHead);
  client.reset();
  await eventually(() => proxy.exchanges.length === 21, "it is broken off");
  await upstream.takeToEnd();
});

test("a long body that ends too early is broken off, with what there was of it", async () => {
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({ origins: [origin.port] });
  await using client = await proxy.connect();
  const body = noise(1_000_000);
  client.send(get());
  const upstream = await origin.connection();
  await upstream.takeThrough(endOfHead);
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 1}\r\n\r\n`);
  await client.takeThrough(endOfHead);
  upstream.send(body);
  assert.equal(digest(await client.takeBytes(body.length)), digest(body));
  upstream.finish();
  await eventually(() => client.ended, "the client sees the end");
  assert.equal(client.received, "");
  assert.equal(proxy.cluster().connectionsActive, 0);
});
