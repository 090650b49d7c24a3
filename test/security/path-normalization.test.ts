// SPDX-License-Identifier: Apache-2.0
// Spellings of a path that routes do not match and services take for the same path, at each level of normalisation and
// with each policy for escaped slashes: what is matched is what reaches the origin (CVE-2019-9901, CVE-2021-29492,
// CVE-2021-31920).

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  escapedSlashActions,
  pathNormalizations,
  type EscapedSlashAction,
  type PathNormalization,
} from "../../src/model/index.ts";
import { normalizePath } from "../../src/router/index.ts";
import { route } from "../support/proxy-under-test.ts";
import { Arena } from "./support/arena.ts";

/** Everything that somebody somewhere reads as /admin. */
const spellings = [
  "/admin",
  "/admin/",
  "/%61dmin",
  "/%41dmin/../admin",
  "/x/../admin",
  "/x/./../admin",
  "/x/%2e%2e/admin",
  "/x/.%2E/admin",
  "/x\\..\\admin",
  "/\\admin",
  "//admin",
  "///admin",
  "/x//..//admin",
  "/x/..//admin",
  "/%2fadmin",
  "/%2Fadmin",
  "/%5cadmin",
  "/%5Cadmin",
  "/x%2f..%2fadmin",
  "/x%2F%2e%2e%2Fadmin",
  "/x%5c..%5cadmin",
  "/x%5c..%2fadmin",
  "/.%2fadmin",
  "/%2e%2fadmin",
  "/..%2fadmin",
  "/%2e%2e%2fadmin",
  "/x/%2e%2e%2fadmin",
  "/admin%2f",
  "/admin%5cx",
  "/%252fadmin",
  "/x/%252e%252e/admin",
  "/%2%66admin",
  "/x/..;/admin",
  "/admin;x",
  "/%c0%afadmin",
  "/%c0%ae%c0%ae/admin",
  "/admin%00",
  "/admin%",
  "/admin%zz",
];

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

for (const pathNormalization of pathNormalizations) {
  for (const escapedSlashes of escapedSlashActions) {
    test(`${pathNormalization}, escaped slashes: ${escapedSlashes}`, async () => {
      const closed = route({ uri: { kind: "prefix", value: "/admin" } });
      await using arena = await Arena.start({
        options: { pathNormalization, escapedSlashes },
        routes: [{ ...closed, action: { kind: "reply", status: 403, body: "" } }, route({})],
      });
      for (const path of spellings) await assertOneReading(arena, path, pathNormalization, escapedSlashes);
    });
  }
}

/** Refused, matched by the closed route, or forwarded as a path that reads the same once more and is not below /admin. */
async function assertOneReading(
  arena: Arena,
  path: string,
  level: PathNormalization,
  escapedSlashes: EscapedSlashAction,
): Promise<void> {
  const normal = normalizePath(path, level, escapedSlashes);
  for (const target of [path, `${path}?x=/../%2F`, `http://a${path}`]) {
    if (normal === null) {
      await arena.answered(get(target), 400);
      assert.equal(arena.proxy.accessLog.at(-2)?.responseCodeDetails, "path_normalization_failed", target);
    } else if (normal.startsWith("/admin")) {
      await arena.answered(get(target), 403);
    } else {
      const seen = await arena.forwarded(get(target));
      const [seenPath = "", query] = seen.target.split("?");
      assert.deepEqual([seenPath, query], [normal, target.includes("?") ? "x=/../%2F" : undefined], target);
      assert.equal(normalizePath(seenPath, level, escapedSlashes), seenPath, `${target} reads the same once more`);
      assert.ok(!seenPath.startsWith("/admin"), target);
    }
  }
}

/** Fates of the telling spellings by level and policy, written down by hand: F = forwarded as it came. */
const fates: readonly (readonly [path: string, action: EscapedSlashAction, ...byLevel: readonly string[]])[] = [
  ["/admin", "keep", "403", "403", "403", "403"],
  ["/x/../admin", "keep", "F", "403", "403", "403"],
  ["/%61dmin", "keep", "F", "403", "403", "403"],
  ["//admin", "keep", "F", "F", "403", "403"],
  ["/x//y%2Fz?q=//", "keep", "F", "F", "/x/y%2Fz?q=//", "/x/y/z?q=//"],
  ["/x//y%2Fz?q=%2F", "reject", "400", "400", "400", "400"],
  ["/x/y?q=%2F", "reject", "F", "F", "F", "F"],
  ["/x/%zz", "keep", "F", "400", "400", "400"],
  ["/x/%00", "keep", "F", "400", "400", "400"],
  ["/x%2F..%2Fadmin", "keep", "F", "F", "F", "403"],
  ["/x%2F..%2Fadmin", "reject", "400", "400", "400", "400"],
  ["/x%2F..%2Fadmin", "decode", "/x/../admin", "403", "403", "403"],
  ["/x%5c..%5Cadmin", "keep", "F", "F", "F", "403"],
  ["/x%5c..%5Cadmin", "reject", "400", "400", "400", "400"],
  ["/x%5c..%5Cadmin", "decode", "/x\\..\\admin", "403", "403", "403"],
  ["/%2Fadmin", "keep", "F", "F", "F", "403"],
  ["/%2Fadmin", "decode", "//admin", "//admin", "403", "403"],
  ["/%252Fadmin", "reject", "F", "F", "F", "F"],
  ["/%252Fadmin", "decode", "F", "F", "F", "F"],
];

suite("fates", () => {
  for (const [path, escapedSlashes, ...byLevel] of fates) {
    test(`${path}, ${escapedSlashes}`, async () => {
      for (const [index, pathNormalization] of pathNormalizations.entries()) {
        const closed = route({ uri: { kind: "prefix", value: "/admin" } });
        await using arena = await Arena.start({
          options: { pathNormalization, escapedSlashes },
          routes: [{ ...closed, action: { kind: "reply", status: 403, body: "" } }, route({})],
        });
        const fate = byLevel[index]!;
        if (/^\d/.test(fate)) await arena.answered(get(path), Number(fate));
        else assert.equal((await arena.forwarded(get(path))).target, fate === "F" ? path : fate, pathNormalization);
      }
    });
  }
});
