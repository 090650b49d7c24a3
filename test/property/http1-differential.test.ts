// SPDX-License-Identifier: Apache-2.0
// The codec is never laxer than Node's strict parser (http1-comparison.ts says what that means).

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as fc from "fast-check";

import { bytesOf, readRequest } from "../unit/proxy/http1/reading.ts";
import { hiddenCodings } from "./hidden-codings.ts";
import { compareRequest, compareResponse } from "./http1-comparison.ts";
import { cuts, edited, edits, request, response } from "./http1-messages.ts";

const runs = 10_000;
/** A run in which next to nothing is taken would prove nothing. */
const leastTaken = runs / 20;

describe("never laxer than Node", () => {
  test("requests", async () => {
    let taken = 0;
    const property = fc.asyncProperty(request, edits, cuts, async (text, changes, places) => {
      if (await compareRequest(edited(text, changes), places)) taken++;
    });
    await fc.assert(property, { numRuns: runs });
    assert.ok(taken >= leastTaken, `only ${taken} of ${runs} were taken`);
  });

  test("responses", async () => {
    let taken = 0;
    const property = fc.asyncProperty(response, edits, cuts, fc.boolean(), async (text, changes, places, isHead) => {
      if (await compareResponse(edited(text, changes), places, isHead ? "HEAD" : "GET")) taken++;
    });
    await fc.assert(property, { numRuns: runs });
    assert.ok(taken >= leastTaken, `only ${taken} of ${runs} were taken`);
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
