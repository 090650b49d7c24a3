// SPDX-License-Identifier: Apache-2.0
// At the edge nobody vouches for what a client says about himself: address, scheme, request id, certificate and Envoy's
// own headers are naru's word. Inside the mesh they come from the workload and stay.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { RouteMatch } from "../../src/model/index.ts";
import { route } from "../support/proxy-under-test.ts";
import { Arena, valuesOf } from "./support/arena.ts";

const requestId = "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a";
const get = (lines: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;

test("x-forwarded-for: the peer is appended, so the last address is always true", async () => {
  await using arena = await Arena.start();
  for (const [lines, expected] of [
    ["", "127.0.0.1"],
    ["X-Forwarded-For: 10.0.0.1\r\n", "10.0.0.1,127.0.0.1"],
    ["X-FORWARDED-FOR: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\n", "10.0.0.1,10.0.0.2,127.0.0.1"],
    ["X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1,127.0.0.1"],
  ] as const) {
    assert.deepEqual(valuesOf(await arena.forwarded(get(lines)), "x-forwarded-for"), [expected]);
  }
});

test("x-forwarded-proto and x-request-id are naru's own", async () => {
  await using arena = await Arena.start();
  for (const lines of [
    "X-Forwarded-Proto: https\r\nX-Request-Id: forged\r\n",
    "x-forwarded-proto: https\r\nX-FORWARDED-PROTO: ftp\r\nx-request-id: a\r\nX-Request-ID: b\r\n",
    "",
  ]) {
    const seen = await arena.forwarded(get(lines));
    assert.deepEqual(valuesOf(seen, "x-forwarded-proto"), ["http"]);
    assert.deepEqual(valuesOf(seen, "x-request-id"), [requestId]);
  }
});

test("Envoy's headers from outside would steer retries, timeouts and trust: dropped", async () => {
  await using arena = await Arena.start();
  for (const name of [
    "X-Envoy-Retry-On",
    "X-Envoy-Max-Retries",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "X-Envoy-External-Address",
    "X-Envoy-Internal",
    "X-Envoy-Original-Path",
    "X-Envoy-Peer-Metadata",
    "x-envoy-anything-new",
    "X-ENVOY-DECORATOR-OPERATION",
  ]) {
    const seen = await arena.forwarded(get(`${name}: 1\r\n`));
    assert.deepEqual(valuesOf(seen, name.toLowerCase()), [], name);
  }
});

test("a certificate that nobody has seen: x-forwarded-client-cert is dropped, at the edge and inside", async () => {
  for (const role of ["gateway", "mesh"] as const) {
    // A mesh listener serves the authority's port; both are 80 here.
    await using arena = await Arena.start({ role });
    const lines = "X-Forwarded-Client-Cert: By=spiffe://a;URI=spiffe://admin\r\nx-forwarded-client-cert: Hash=1\r\n";
    assert.deepEqual(valuesOf(await arena.forwarded(get(lines)), "x-forwarded-client-cert"), [], role);
  }
});

test("a route cannot be chosen by what is not passed on", async () => {
  const header = (name: string, value: string): RouteMatch["headers"][number] => ({
    name,
    match: { kind: "exact", value },
  });
  const trap = { kind: "reply", status: 403, body: "" } as const;
  await using arena = await Arena.start({
    routes: [
      { ...route({ headers: [header("x-envoy-internal", "true")] }), action: trap },
      { ...route({ headers: [header("x-forwarded-proto", "https")] }), action: trap },
      { ...route({ headers: [header("x-forwarded-client-cert", "URI=admin")] }), action: trap },
      { ...route({ headers: [header("x-request-id", "admin")] }), action: trap },
      { ...route({ headers: [header("x-forwarded-for", "10.0.0.1")] }), action: trap },
      { ...route({ headers: [header("x-forwarded-for", "10.0.0.1,10.0.0.2,127.0.0.1")] }), action: trap },
      {
        ...route({ uri: { kind: "prefix", value: "/plain" }, headers: [header("x-forwarded-proto", "http")] }),
        action: trap,
      },
      route({ uri: { kind: "prefix", value: "/" } }),
    ],
  });
  await arena.forwarded(get("X-Envoy-Internal: true\r\n"));
  await arena.forwarded(get("X-Forwarded-Proto: https\r\n"));
  await arena.forwarded(get("X-Forwarded-Client-Cert: URI=admin\r\n"));
  await arena.forwarded(get("X-Request-Id: admin\r\n"));
  await arena.forwarded(get("X-Forwarded-For: 10.0.0.1\r\n"));
  await arena.answered(
    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n\r\n",
    403,
  );
  await arena.answered("GET /plain HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n", 403);
});

test("inside the mesh the workload's own word stays", async () => {
  await using arena = await Arena.start({ role: "mesh" });
  const seen = await arena.forwarded(
    get("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Request-Id: own\r\nX-Envoy-Max-Retries: 1\r\n"),
  );
  assert.deepEqual(valuesOf(seen, "x-forwarded-for"), ["10.0.0.1"]);
  assert.deepEqual(valuesOf(seen, "x-forwarded-proto"), ["https"]);
  assert.deepEqual(valuesOf(seen, "x-request-id"), ["own"]);
  assert.deepEqual(valuesOf(seen, "x-envoy-max-retries"), ["1"]);
});

test("inside the mesh a route can be chosen by what is added", async () => {
  const header = (name: string, value: string) => ({ name, match: { kind: "exact", value } as const });
  const uri = { kind: "exact", value: "/" } as const;
  const added = route({ uri, headers: [header("x-forwarded-proto", "http"), header("x-request-id", requestId)] });
  await using arena = await Arena.start({
    role: "mesh",
    routes: [
      { ...added, action: { kind: "reply", status: 403, body: "" } },
      route({ uri: { kind: "prefix", value: "/" } }),
    ],
  });
  await arena.answered(get(""), 403);
  await arena.forwarded(get("X-Forwarded-Proto: https\r\n"));
  await arena.forwarded(get("X-Request-Id: own\r\n"));
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  const payload = get("X-Envoy-Internal: true\r\nX-Request-Id: forged\r\nX-Forwarded-For: 10.0.0.1\r\n");
  for (let cut = 0; cut < payload.length; cut++) {
    assert.deepEqual((await arena.forwarded(payload, [cut])).headers, [
      ["Host", "a"],
      ["x-forwarded-for", "10.0.0.1,127.0.0.1"],
      ["x-forwarded-proto", "http"],
      ["x-request-id", requestId],
    ]);
  }
});
