// SPDX-License-Identifier: Apache-2.0
// A strict reader of the Prometheus text format 0.0.4, for tests: what it does not know is an error.

import assert from "node:assert/strict";

export interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\+Inf|-Inf|Nan|NaN|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

/** Families by name. Asserts syntax, one HELP and TYPE each, no duplicate sample, and histograms that add up. */
export function parseExposition(text: string): ReadonlyMap<string, ParsedFamily> {
  assert.ok(text.endsWith("\n"), "ends with a line break");
  const families = new Map<string, ParsedFamily>();
  let help = { name: "", text: "" };
  let family: ParsedFamily | null = null;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      help = { name, text: rest };
    } else if (keyword === "TYPE") {
      assert.equal(help.name, name, "HELP stands before TYPE");
      assert.ok(!families.has(name), `${name} stands once`);
      assert.match(rest, /^(?:counter|gauge|histogram)$/);
      family = { name, type: rest, help: help.text, samples: [] };
      families.set(name, family);
    } else {
      assert.ok(family !== null, `sample before any TYPE: ${line}`);
      family.samples.push(parseSample(line, family));
    }
  }
  for (const parsed of families.values()) check(parsed);
  return families;
}

function parseSample(line: string, family: ParsedFamily): ParsedSample {
  const match = sampleLine.exec(line);
  assert.ok(match !== null, `not a sample: ${line}`);
  const name = match[1]!;
  const suffix = family.type === "histogram" ? /^_(?:bucket|sum|count)$/ : /^$/;
  assert.ok(name.startsWith(family.name) && suffix.test(name.slice(family.name.length)), `${name} in ${family.name}`);
  return { name, labels: parseLabels(match[2] ?? ""), value: Number(match[3]!.replace("Inf", "Infinity")) };
}

function parseLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  label.lastIndex = 0;
  for (let at = 0; at < text.length; at = label.lastIndex) {
    label.lastIndex = at;
    const match = label.exec(text);
    assert.ok(match !== null, `not a label at ${at}: ${text}`);
    assert.ok(!labels.has(match[1]!), `label ${match[1]} twice`);
    const unescaped = match[2]!.replaceAll(/\\(["\\n])/g, (_, character: string) =>
      character === "n" ? "\n" : character,
    );
    labels.set(match[1]!, unescaped);
  }
  return labels;
}

function check(family: ParsedFamily): void {
  const seen = new Set<string>();
  for (const sample of family.samples) {
    const key = sample.name + keyOf(sample.labels);
    assert.ok(!seen.has(key), `twice: ${key}`);
    seen.add(key);
  }
  if (family.type !== "histogram") return;
  const bySeries = Map.groupBy(family.samples, ({ labels }) =>
    keyOf(new Map([...labels].filter(([name]) => name !== "le"))),
  );
  for (const samples of bySeries.values()) checkHistogram(family.name, samples);
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const counts = buckets.map((sample) => sample.value);
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
    "buckets are cumulative",
  );
  assert.equal(buckets.at(-1)?.labels.get("le"), "+Inf");
  assert.equal(
    samples.find((sample) => sample.name === `${name}_count`)?.value,
    counts.at(-1),
    "count is the last bucket",
  );
  assert.equal(samples.filter((sample) => sample.name === `${name}_sum`).length, 1);
}

function keyOf(labels: ReadonlyMap<string, string>): string {
  return JSON.stringify([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
