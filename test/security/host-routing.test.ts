// SPDX-License-Identifier: Apache-2.0
// Spellings of a host that is closed: letter case, port, the dot at its end, absolute form (CVE-2021-39155). None finds
// another virtual host than the plain one does, and what is forwarded names the host that was matched.

import assert from "node:assert/strict";
import { test } from "node:test";

import { route } from "../support/proxy-under-test.ts";
import { Arena, refusals, valuesOf } from "./support/arena.ts";

/** admin.example and all of *.internal are closed, everything else is open. */
async function startClosed(): Promise<Arena> {
  const arena = await Arena.start();
  const closed = { ...route({}), action: { kind: "reply", status: 403, body: "" } as const };
  const hosts = [
    { name: "admin", domains: ["admin.example"], routes: [closed] },
    { name: "internal", domains: ["*.internal"], routes: [closed] },
    { name: "open", domains: ["*"], routes: [route({})] },
  ];
  const routeTables = new Map([["http.80", { name: "http.80", hosts }]]);
  await arena.proxy.dataPlane.applyRouting({ ...arena.proxy.snapshot(), version: "closed", routeTables });
  return arena;
}

const closedHosts = [
  "admin.example",
  "ADMIN.EXAMPLE",
  "Admin.eXample",
  "admin.example.",
  "ADMIN.example.",
  "admin.example:80",
  "admin.example:8080",
  "Admin.Example.:65535",
  "admin.example:0",
  "a.internal",
  "A.b.INTERNAL.",
  "x.internal:1",
];

test("every spelling of a closed host is closed, in Host and in the target", async () => {
  await using arena = await startClosed();
  for (const host of closedHosts) {
    await arena.answered(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 403);
    await arena.answered(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 403);
    await arena.answered(`GET HTTP://${host.toUpperCase()}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 403);
  }
});

test("one host in the target and another in Host are refused, whichever is closed", async () => {
  await using arena = await startClosed();
  for (const host of closedHosts) {
    await arena.refused(`GET http://open/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`, refusals.badRequest);
    await arena.refused(`GET http://${host}/ HTTP/1.1\r\nHost: open\r\n\r\n`, refusals.badRequest);
  }
});

test("other headers that name a host choose none, and do not pass for the peer's word", async () => {
  await using arena = await startClosed();
  for (const line of ["X-Forwarded-Host: open", "X-Host: open", "Forwarded: host=open", "X-Original-Host: open"]) {
    await arena.answered(`GET / HTTP/1.1\r\nHost: admin.example\r\n${line}\r\n\r\n`, 403);
    const seen = await arena.forwarded(
      `GET / HTTP/1.1\r\nHost: open\r\n${line.replace("open", "admin.example")}\r\n\r\n`,
    );
    assert.deepEqual(valuesOf(seen, "host"), ["open"]);
  }
});

test("names that only look alike are other names", async () => {
  await using arena = await startClosed();
  for (const host of ["admin.example.evil", "xadmin.example", "admin-example", "internal", "a.internal.evil"]) {
    const seen = await arena.forwarded(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.deepEqual(valuesOf(seen, "host"), [host]);
  }
});
