// SPDX-License-Identifier: Apache-2.0
// What an operator may decide about ambiguous header names and paths: what reaches the upstream, and by which route.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { pathNormalizations } from "../../src/model/index.ts";
import { HttpOrigin } from "../support/http-origin.ts";
import { answer, endOfHead, get } from "../support/messages.ts";
import { route, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

suite("underscores", () => {
  const request = get("/", "X_User: root\r\nX-User: alice\r\nX-Forwarded_For: 1.2.3.4\r\n");

  test("allow passes such names on as they came", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port] });
    await using client = await proxy.connect();
    client.send(request);
    const head = await (await origin.connection()).takeThrough(endOfHead);
    assert.match(head, /\r\nX_User: root\r\nX-User: alice\r\nX-Forwarded_For: 1\.2\.3\.4\r\n/);
    assert.equal(proxy.sample("naru_underscore_headers_total"), 0);
  });

  test("drop leaves them out, for the upstream and for matching", async () => {
    await using origin = await RawOrigin.start();
    const exact = (value: string) => ({ kind: "exact", value }) as const;
    await using proxy = await startProxy({
      origins: [origin.port],
      options: { underscores: "drop" },
      routes: [
        { ...route({ headers: [{ name: "x_user", match: exact("root") }] }), action: reply(201) },
        { ...route({ headers: [{ name: "x-user", match: exact("bob") }] }), action: reply(202) },
        route({}),
      ],
    });
    await using client = await proxy.connect();
    client.send(request);
    const upstream = await origin.connection();
    const head = await upstream.takeThrough(endOfHead);
    assert.match(head, /\r\nX-User: alice\r\n/);
    assert.doesNotMatch(head, /_/);
    assert.equal(proxy.sample("naru_underscore_headers_total"), 2);
    upstream.send(answer(200));
    await client.takeThrough(endOfHead);
    // The next request on the connection has its own names.
    client.send(get("/", "X-User: bob\r\n"));
    assert.match(await client.takeThrough(endOfHead), /^HTTP\/1\.1 202 /);
  });

  test("reject answers 400 and closes", async () => {
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { underscores: "reject" } });
    await using client = await proxy.connect();
    client.send(request);
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close\r\n/s);
    assert.deepEqual(proxy.lastOutcome(), { code: 400, flags: "DPE", details: "http1.unexpected_underscore" });
    assert.equal(proxy.sample("naru_underscore_headers_total"), 1);
    assert.equal(origin.accepted, 0);
  });

  const chunked = "Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n";
  const withTrailers = `POST / HTTP/1.1\r\nHost: a\r\n${chunked}\r\n0\r\nx_sum: 1\r\nx-sum: 2\r\n\r\n`;

  test("drop and reject hold for trailers, too", async () => {
    for (const { underscores, sent } of [
      { underscores: "allow", sent: "0\r\nx_sum: 1\r\nx-sum: 2\r\n\r\n" },
      { underscores: "drop", sent: "0\r\nx-sum: 2\r\n\r\n" },
    ] as const) {
      await using origin = await RawOrigin.start();
      await using proxy = await startProxy({ origins: [origin.port], options: { underscores } });
      await using client = await proxy.connect();
      client.send(withTrailers);
      const upstream = await origin.connection();
      await upstream.takeThrough(endOfHead);
      assert.equal(await upstream.takeThrough(endOfHead), sent);
    }
    await using origin = await RawOrigin.start();
    await using proxy = await startProxy({ origins: [origin.port], options: { underscores: "reject" } });
    await using client = await proxy.connect();
    client.send(withTrailers);
    assert.match(await client.takeToEnd(), /^HTTP\/1\.1 400 /);
  });
});

suite("path normalization", () => {
  /** The target that the upstream got for `path`, or the status of a reply of naru's own. */
  async function fate(proxy: ProxyUnderTest, path: string): Promise<string> {
    await using client = await proxy.connect();
    client.send(get(path, "Connection: close\r\n"));
    const [head = "", body] = (await client.takeToEnd()).split(endOfHead);
    const status = head.slice(9, 12);
    return status === "200" && body !== undefined ? body : status;
  }

  // By level, in their order: NONE, BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES. 403 is the route of /admin.
  for (const [path, ...expected] of [
    ["/a/b?x=//%2F", "/a/b?x=//%2F", "/a/b?x=//%2F", "/a/b?x=//%2F", "/a/b?x=//%2F"],
    ["/admin", "403", "403", "403", "403"],
    ["/a/../admin", "/a/../admin", "403", "403", "403"],
    ["/%61dmin", "/%61dmin", "403", "403", "403"],
    ["//admin", "//admin", "//admin", "403", "403"],
    ["/a%2F..%2Fadmin", "/a%2F..%2Fadmin", "/a%2F..%2Fadmin", "/a%2F..%2Fadmin", "403"],
    ["/a%5c..%5Cadmin", "/a%5c..%5Cadmin", "/a%5c..%5Cadmin", "/a%5c..%5Cadmin", "403"],
    ["/x//y%2Fz?q=//", "/x//y%2Fz?q=//", "/x//y%2Fz?q=//", "/x/y%2Fz?q=//", "/x/y/z?q=//"],
    ["/x/%zz", "/x/%zz", "400", "400", "400"],
    ["/x/%00", "/x/%00", "400", "400", "400"],
  ] as const) {
    test(`${path}: what is matched is what is forwarded, at each level`, async () => {
      for (const [index, pathNormalization] of pathNormalizations.entries()) {
        await using origin = await HttpOrigin.start((received, response) => {
          response.setHeader("content-length", received.url!.length).end(received.url);
        });
        await using proxy = await startProxy({
          origins: [origin.port],
          options: { pathNormalization },
          routes: [{ ...route({ uri: { kind: "prefix", value: "/admin" } }), action: reply(403) }, route({})],
        });
        assert.equal(await fate(proxy, path), expected[index], pathNormalization);
      }
    });
  }
});

function reply(status: number) {
  return { kind: "reply", status, body: "" } as const;
}
