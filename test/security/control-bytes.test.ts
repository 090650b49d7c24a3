// SPDX-License-Identifier: Apache-2.0
// Control bytes have no place in a head: each one, at each kind of place, is refused (RFC 9110 §5.5, RFC 9112 §3).

import assert from "node:assert/strict";
import { test } from "node:test";

import { Arena, refusals, valuesOf } from "./support/arena.ts";

const controls = Array.from({ length: 0x21 }, (_, code) => String.fromCharCode(code)).concat("\x7f");
const places: Readonly<Record<string, (byte: string) => string>> = {
  "before the method": (byte) => `${byte}GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
  "in the method": (byte) => `GE${byte}T / HTTP/1.1\r\nHost: a\r\n\r\n`,
  "in the target": (byte) => `GET /a${byte}b HTTP/1.1\r\nHost: a\r\n\r\n`,
  "in the query": (byte) => `GET /?a${byte}b HTTP/1.1\r\nHost: a\r\n\r\n`,
  "before the version": (byte) => `GET / ${byte}HTTP/1.1\r\nHost: a\r\n\r\n`,
  "after the version": (byte) => `GET / HTTP/1.1${byte}\r\nHost: a\r\n\r\n`,
  "before a name": (byte) => `GET / HTTP/1.1\r\nHost: a\r\n${byte}X-A: b\r\n\r\n`,
  "in a name": (byte) => `GET / HTTP/1.1\r\nHost: a\r\nX${byte}A: b\r\n\r\n`,
  "in Host": (byte) => `GET / HTTP/1.1\r\nHost: a${byte}b\r\n\r\n`,
};

test("in every place but a value", async () => {
  await using arena = await Arena.start();
  for (const place of Object.values(places)) {
    for (const byte of controls) await arena.refused(place(byte), refusals.badRequest);
  }
});

test("in a value, all but tab and space", async () => {
  await using arena = await Arena.start();
  for (const byte of controls) {
    const payload = `GET / HTTP/1.1\r\nHost: a\r\nX-A: b${byte}c\r\n\r\n`;
    if (byte !== "\t" && byte !== " ") {
      await arena.refused(payload, refusals.badRequest);
      continue;
    }
    const seen = await arena.forwarded(payload);
    assert.deepEqual(valuesOf(seen, "x-a"), [`b${byte}c`]);
  }
});

test("bytes above 0x7F are no text of ours and pass in values", async () => {
  await using arena = await Arena.start();
  const value = String.fromCharCode(...Array.from({ length: 128 }, (_, index) => 128 + index));
  const seen = await arena.forwarded(`GET / HTTP/1.1\r\nHost: a\r\nX-A: ${value}\r\n\r\n`);
  assert.deepEqual(valuesOf(seen, "x-a"), [value]);
});

test("wherever the bytes are split", async () => {
  await using arena = await Arena.start();
  await arena.refusedAtEverySplit("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n", refusals.badRequest);
});
