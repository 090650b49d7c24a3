// SPDX-License-Identifier: Apache-2.0
// The codec is never laxer than Node's strict parser (http1-comparison.ts says what that means).

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as fc from "fast-check";

import { bytesOf, readRequest } from "../unit/proxy/http1/reading.ts";
import { hiddenCodings } from "./hidden-codings.ts";
import { knownRequests, knownResponses } from "./http1-cases.ts";
import { compareRequest, compareResponse, type Comparison } from "./http1-comparison.ts";
import { cuts, edited, edits, request, response } from "./http1-messages.ts";

const runs = 20_000;

/** What became of the messages, so that a fuzzer that has gone blind is noticed. */
class Outcomes {
  readonly #counts = new Map<Comparison, number>();

  add(outcome: Comparison): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
  }

  /** A fifth at least is taken and compared, a fifth refused, and for all kinds of reasons. */
  assertVaried(leastReasons: number): void {
    const same = this.#counts.get("same") ?? 0;
    const refusals = [...this.#counts].filter(([outcome]) => outcome.startsWith("refused"));
    const refused = refusals.reduce((sum, [, count]) => sum + count, 0);
    assert.ok(same >= runs / 5, `only ${same} of ${runs} were taken`);
    assert.ok(refused >= runs / 5, `only ${refused} of ${runs} were refused`);
    assert.ok(refusals.length >= leastReasons, `refused for ${refusals.length} reasons only`);
  }
}

describe("never laxer than Node", () => {
  test("requests", async () => {
    const outcomes = new Outcomes();
    const property = fc.asyncProperty(request, edits, cuts, async (text, changes, places) => {
      outcomes.add(await compareRequest(edited(text, changes), places));
    });
    await fc.assert(property, { numRuns: runs });
    outcomes.assertVaried(30);
  });

  test("responses", async () => {
    const outcomes = new Outcomes();
    const property = fc.asyncProperty(response, edits, cuts, fc.boolean(), async (text, changes, places, isHead) => {
      outcomes.add(await compareResponse(edited(text, changes), places, isHead ? "HEAD" : "GET"));
    });
    await fc.assert(property, { numRuns: runs });
    outcomes.assertVaried(25);
  });

  test("edits and cuts fall everywhere in a message", () => {
    const tenths = new Set<number>();
    const sampled = fc.sample(fc.tuple(edits, cuts), { numRuns: 1_000, seed: 1 });
    for (const [changes, places] of sampled) {
      for (const { place } of changes) tenths.add(Math.floor(place * 10));
      for (const place of places ?? []) tenths.add(10 + Math.floor(place * 10));
    }
    assert.equal(tenths.size, 20);
    assert.ok(
      sampled.some(([, places]) => places === null),
      "some are cut at every place",
    );
  });

  test("messages that were once read differently, at every split", async () => {
    for (const { why, text, outcome } of knownRequests) {
      assert.equal((await compareRequest(text, null)).split(":")[0], outcome, why);
    }
    for (const { why, text, outcome } of knownResponses) {
      assert.equal((await compareResponse(text, null, "GET")).split(":")[0], outcome, why);
    }
  });

  test("every way to hide a Transfer-Encoding beside a Content-Length", async () => {
    const smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const lines of Object.values(hiddenCodings()).flat()) {
      for (const [first, second] of [
        [`Content-Length: ${smuggled.length}\r\n`, lines],
        [lines, "Content-Length: 5\r\n"],
        ["", lines],
      ] as const) {
        const text = `POST / HTTP/1.1\r\nHost: a\r\n${first}${second}\r\n${smuggled}`;
        const ours = readRequest(bytesOf(text));
        // Nothing that looks like chunked to anybody may stand beside a length.
        if (first !== "" && second !== "") assert.doesNotMatch(ours.flags, /chunked/, JSON.stringify(text));
        await compareRequest(text, []);
      }
    }
  });
});
