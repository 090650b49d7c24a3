// SPDX-License-Identifier: Apache-2.0
// Header names with underscores: applications that make variables of names cannot tell `x_user` from `x-user`, and so
// neither from a header that naru sets or strips. They are passed on, dropped or rejected, as the operator says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { answer, endOfHead, get } from "../support/messages.ts";
import { route, startProxy } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";
import { Arena, postWith, smuggled, valuesOf } from "./support/arena.ts";

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

const rejection = { status: 400, flags: "DPE", details: "http1.unexpected_underscore" };

/** Names that read as framing, routing or identity to somebody who takes `_` for `-`. */
const lookalikes = [
  "Content_Length: 40",
  "Transfer_Encoding: chunked",
  "transfer_encoding: chunked",
  "Transfer-Encoding_: chunked",
  "_Transfer-Encoding: chunked",
  "X_Forwarded_For: 1.2.3.4",
  "X-Forwarded_For: 1.2.3.4",
  "X_Request_Id: forged",
  "_Host: evil",
  "_: x",
];

test("whatever is done with them, they frame nothing and set nothing", async () => {
  for (const underscores of ["allow", "drop", "reject"] as const) {
    await using arena = await Arena.start({ options: { underscores } });
    for (const line of lookalikes) {
      const payload = postWith(`${line}\r\nContent-Length: ${smuggled.length}\r\n`, smuggled);
      if (underscores === "reject") {
        await arena.refused(payload, rejection);
        continue;
      }
      const seen = await arena.forwarded(payload);
      assert.equal(seen.body, smuggled, line);
      const [name = ""] = line.toLowerCase().split(":");
      assert.equal(valuesOf(seen, name).length, underscores === "allow" ? 1 : 0, line);
      assert.deepEqual(valuesOf(seen, "x-forwarded-for"), ["127.0.0.1"]);
      assert.deepEqual(valuesOf(seen, "host"), ["a"]);
    }
  }
});

test("rejected wherever the bytes are split", async () => {
  await using arena = await Arena.start({ options: { underscores: "reject" } });
  await arena.refusedAtEverySplit(`GET / HTTP/1.1\r\nHost: a\r\nX_User: root\r\n\r\n`, rejection);
});

function reply(status: number) {
  return { kind: "reply", status, body: "" } as const;
}
