// SPDX-License-Identifier: Apache-2.0
// The parser's cheap look at a path: whatever a level of normalization would change or refuse must be flagged at that
// level, and plain paths must not be.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { escapedSlashActions, pathNormalizations } from "../../../../src/model/index.ts";
import { complete, headLimits, RequestHeadParser } from "../../../../src/proxy/http1/index.ts";
import { normalizePath } from "../../../../src/router/index.ts";

/** All paths of up to five of these pieces, in which everything that normalization knows can meet. */
const pieces = ["/", ".", "a", "\\", "%2F", "%5c", "%2e", "%"];

function* paths(length: number): Generator<string> {
  yield "/";
  if (length === 0) return;
  for (const start of paths(length - 1)) for (const piece of pieces) yield start + piece;
}

const policies = pathNormalizations.flatMap((pathNormalization) =>
  escapedSlashActions.map((escapedSlashes) => ({ pathNormalization, escapedSlashes })),
);

for (const policy of policies) {
  const { pathNormalization, escapedSlashes } = policy;
  describe(`${pathNormalization}, ${escapedSlashes}`, () => {
    const flagged = (target: string): boolean => {
      const parser = new RequestHeadParser({ ...headLimits, ...policy });
      const message = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, "latin1");
      assert.equal(parser.parse(message, 0, message.length), complete, target);
      return parser.head.pathNeedsNormalization;
    };

    it("flags every path that normalization changes or refuses", () => {
      for (const path of new Set(paths(4))) {
        if (normalizePath(path, pathNormalization, escapedSlashes) === path) continue;
        assert.ok(flagged(path), path);
        assert.ok(flagged(`http://a${path}`), `absolute form of ${path}`);
      }
    });

    it("lets plain paths pass", () => {
      for (const path of ["/", "/a", "/a/b.c/d..", "/a/b/?x=//../%2F"]) assert.ok(!flagged(path), path);
    });
  });
}

it("repeated slashes are only seen where they are merged, and nothing where nothing is done", () => {
  const flags = pathNormalizations.map((pathNormalization) => {
    const parser = new RequestHeadParser({ ...headLimits, pathNormalization });
    const message = Buffer.from("GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n");
    parser.parse(message, 0, message.length);
    return parser.head.pathNeedsNormalization;
  });
  assert.deepEqual(flags, [false, false, true, true]);
});
