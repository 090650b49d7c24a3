// SPDX-License-Identifier: Apache-2.0
// Clients choose paths, hosts and headers. In the access log each exchange is one line with as many fields as any other,
// in both formats, and nothing in it moves a terminal.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createAccessLog, type ByteSink } from "../../src/telemetry/index.ts";
import { accessLogRecord } from "../support/access-log-record.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { Arena } from "./support/arena.ts";

const hostile: readonly string[] = [
  'GET /"quoted"-"-"_"x HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /back\\slash\\\\" HTTP/1.1\r\nHost: a\r\n\r\n',
  "GET /%0a%0dGET%20/forged HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /%1b[31mred HTTP/1.1\r\nHost: a\r\n\r\n",
  'GET /?"}\',{"x":1} HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x" 200 - "forged\r\n\r\n',
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: tab\there\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x9b31m\x85\xe2\x80\xa8\xff\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \\\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent:\r\n\r\n",
  `GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: ${'"'.repeat(20_000)}\r\n\r\n`,
  'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4" "-\r\nX-Request-Id: "\t\r\n\r\n',
  "G'E`T / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: $(reboot);'a'\r\n\r\n",
];

/** Requests that are refused: what was parsed of them may be logged, what was not must not. */
const refused: readonly string[] = [
  "GET /\n HTTP/1.1\r\nHost: a\r\n\r\n",
  'GE"T / HTTP/1.1\r\nHost: a\r\n\r\n',
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\nforged line\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b[2J\r\n\r\n",
  "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
];

/** Istio's default text format: [time] "request" code flags … with twelve quoted or bare fields behind. */
const bare = '[^\\s"]+';
const quoted = '"(?:[^"\\\\\\n]|\\\\x[0-9A-F]{2}|\\\\u[0-9A-F]{4})*"';

async function logOf(format: "text" | "json"): Promise<{ lines: string[]; expected: number }> {
  const written: Buffer[] = [];
  const sink: ByteSink = {
    write(bytes, done) {
      written.push(Buffer.from(bytes));
      done(null);
    },
    reopen() {},
    close() {},
  };
  const log = createAccessLog({ format, sink, clock: new FakeClock() });
  await using arena = await Arena.start();
  for (const payload of [...hostile, ...refused]) {
    await using client = await arena.proxy.connect();
    client.send(payload);
    await client.takeThrough("\r\n\r\n");
  }
  for (const logged of arena.proxy.accessLog) log.write(accessLogRecord(logged));
  await log.close();
  const text = Buffer.concat(written).toString("latin1");
  assert.match(text, /^[\x20-\x7e\n]*$/, "printable ASCII and line ends");
  assert.ok(text.endsWith("\n"));
  return { lines: text.slice(0, -1).split("\n"), expected: hostile.length + refused.length };
}

test("text: one line each, and every line has the same fields", async () => {
  const { lines, expected } = await logOf("text");
  assert.equal(lines.length, expected);
  const field = `(?:${quoted}|${bare})`;
  const shape = new RegExp(`^\\[\\S+\\] ${quoted}(?: ${field})+$`);
  const counts = new Set<number>();
  for (const line of lines) {
    assert.match(line, shape);
    counts.add(line.match(new RegExp(field, "g"))!.length);
  }
  assert.equal(counts.size, 1, JSON.stringify([...counts]));
});

test("json: one object each, and the values are the client's", async () => {
  const { lines, expected } = await logOf("json");
  assert.equal(lines.length, expected);
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const keys = Object.keys(records[0]!);
  for (const record of records) assert.deepEqual(Object.keys(record), keys);
  const agents = records.map((record) => record["user_agent"]);
  assert.ok(agents.includes('x" 200 - "forged'));
  assert.ok(agents.includes("tab\there"));
  assert.ok(!lines.some((line) => line.includes("forged line")), "nothing of a head that was not taken");
});
