// SPDX-License-Identifier: Apache-2.0
// The structured log seen from outside: its lines, its levels while running, and what hostile text can do to it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createLogger, type LoggerOptions } from "../../../src/telemetry/index.ts";
import { logLevels } from "../../../src/telemetry/port.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const clock = new FakeClock();
  clock.advance(678);
  const write = (line: string) => void lines.push(line);
  return { lines, log: createLogger({ level: "info", format: "json", colour: false, write, clock, ...options }) };
}

test("a JSON line holds time, level, scope, message and the fields with their types, in this order", () => {
  const { lines, log } = capture();
  log.child("proxy").warning("upstream is slow", { ms: 12.5, host: "a", open: true, cause: null, none: undefined });
  assert.deepEqual(lines, [
    '{"time":"2026-01-02T03:04:05.678Z","level":"warning","scope":"proxy","message":"upstream is slow",' +
      '"ms":12.5,"host":"a","open":true,"cause":null}',
  ]);
});

test("a field cannot take the place of time, level, scope or message", () => {
  const { lines, log } = capture();
  log.error("real", { message: "forged", level: "info", time: 1, scope: "x" });
  const entry = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.equal(entry["message"], "real");
  assert.equal(entry["level"], "error");
  assert.equal(entry["_message"], "forged");
});

test("a text line is aligned, and values a reader could misread are quoted", () => {
  const { lines, log } = capture({ format: "text" });
  log.info("started");
  log.child("proxy").warning("no route", { authority: "a.example:80", path: "/a b", quote: 'say "hi"', empty: "" });
  assert.deepEqual(lines, [
    "2026-01-02T03:04:05.678Z info    naru      started",
    '2026-01-02T03:04:05.678Z warning proxy     no route  authority=a.example:80 path="/a b" quote="say \\"hi\\"" empty=""',
  ]);
});

test("colours appear only when asked for", () => {
  const plain = capture({ format: "text" });
  const coloured = capture({ format: "text", colour: true });
  for (const { log } of [plain, coloured]) log.error("down", { why: "x" });
  assert.ok(!plain.lines[0]!.includes("\u001b"));
  assert.ok(coloured.lines[0]!.includes("\u001b[31merror"));
});

for (const format of ["json", "text"] as const) {
  test(`${format}: no text can break a line, move the cursor or reorder what is read`, () => {
    const { lines, log } = capture({ format });
    const hostile = "a\r\nb\u0000c\u001b[2Jd\u007fe\u009b31mf\u2028g\u2029h\u202ei\u2066j\u0085k";
    log.child(hostile).error(hostile, { [hostile]: hostile });
    assert.equal(lines.length, 1);
    assert.doesNotMatch(lines[0]!, /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
    if (format === "json") {
      const entry = JSON.parse(lines[0]!) as Record<string, unknown>;
      assert.ok(String(entry["scope"]).startsWith("a\r\nb"), "JSON gives the text back");
    }
  });
}

test("text and the number of fields are bounded", () => {
  const { lines, log } = capture();
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, index]));
  log.info("m".repeat(1_000_000), { ...many, big: "x".repeat(1_000_000) });
  assert.ok(lines[0]!.length < 10_000, `${lines[0]!.length} characters`);
  assert.match(lines[0]!, /…\(\+995904\)/);
  assert.match(lines[0]!, /"fieldsLeftOut":69/);
});

test("each level logs itself and what is more severe; off logs nothing", () => {
  for (const level of logLevels) {
    const { lines, log } = capture({ level });
    for (const name of ["trace", "debug", "info", "warning", "error"] as const) log[name]("x");
    const logged = lines.map((line) => (JSON.parse(line) as { level: string }).level);
    assert.deepEqual(logged, logLevels.slice(logLevels.indexOf(level), -1));
    for (const other of logLevels) assert.equal(log.enabled(other), logged.includes(other), `${level} ${other}`);
  }
});

test("levels change while running: for one scope, in every logger of that scope, or for all and those to come", () => {
  const { lines, log } = capture({ level: "warning" });
  const [proxy, sameProxy, admin] = [log.child("proxy"), log.child("x").child("proxy"), log.child("admin")];
  assert.equal(log.setLevel("debug", "proxy"), true);
  assert.deepEqual(log.levels(), { admin: "warning", naru: "warning", proxy: "debug", x: "warning" });
  proxy.debug("1");
  sameProxy.debug("2");
  admin.info("hidden");
  assert.equal(lines.length, 2);

  assert.equal(log.setLevel("info"), true);
  assert.equal(proxy.enabled("debug"), false);
  assert.equal(admin.enabled("info"), true);
  assert.equal(log.child("later").enabled("info"), true);
});

test("a scope nobody has is refused, not created", () => {
  const { log } = capture();
  assert.equal(log.setLevel("debug", "typo"), false);
  assert.deepEqual(log.levels(), { naru: "info" });
});
