// SPDX-License-Identifier: Apache-2.0
// Normal forms of paths: the cases Istio and Envoy publish for their default, and what must be refused.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { normalizePath } from "../../../src/router/index.ts";

describe("normalizePath", () => {
  it("gives Istio's normal form", () => {
    for (const [path, normal] of [
      ["/", "/"],
      ["/app/", "/app/"],
      ["/app//", "/app//"],
      ["/app/../admin", "/admin"],
      ["/app/%2f", "/app/%2f"],
      ["/app%2F/", "/app%2F/"],
      ["/xyz%30..//abc", "/xyz0..//abc"],
      ["/app/%2E./admin", "/admin"],
      ["/app\\admin", "/app/admin"],
      ["/app/\\/\\/\\admin", "/app//////admin"],
      ["/%2Fapp%5cadmin%5Cabc", "/%2Fapp%5cadmin%5Cabc"],
      ["/%5Capp%2f%5c%2F%2e%2e%2fadmin%5c\\abc", "/%5Capp%2f%5c%2F..%2fadmin%5c/abc"],
      ["/app//../admin", "/app/admin"],
      ["/app//../../admin", "/admin"],
      ["/a/b/../../../../c", "/c"],
      ["/a/..\\c", "/c"],
      ["/%c0%af", "/%c0%af"],
      ["/a/b/%2E%2e/c", "/a/c"],
      ["/a/b/./c", "/a/b/c"],
      ["/a/b/..", "/a/"],
      ["/a/b/.", "/a/b/"],
      ["/..", "/"],
      ["/.", "/"],
      ["/./..//a", "//a"],
      ["/.../..a/.b/c..", "/.../..a/.b/c.."],
      ["/%7Euser%5F%2D%41%7a%39", "/~user_-Az9"],
      ["/%252e%252e/admin", "/%252e%252e/admin"],
    ] as const) {
      assert.equal(normalizePath(path), normal, path);
    }
  });

  it("goes as far as the level says, as Istio publishes it", () => {
    for (const [path, merged, decoded] of [
      ["/app//", "/app/", "/app/"],
      ["/app/%2f", "/app/%2f", "/app/"],
      ["/app%2F/", "/app%2F/", "/app/"],
      ["//", "/", "/"],
      ["/app\\/\\/\\admin", "/app/admin", "/app/admin"],
      ["/%2Fapp%5cadmin%5Cabc", "/%2Fapp%5cadmin%5Cabc", "/app/admin/abc"],
      ["/%5Capp%2f%5c%2F%2e%2e%2fadmin%5c\\abc", "/%5Capp%2f%5c%2F..%2fadmin%5c/abc", "/app/admin/abc"],
      ["/app//../admin", "/app/admin", "/app/admin"],
      ["/public%2f..%2fadmin", "/public%2f..%2fadmin", "/admin"],
      ["/a%252Fb//c", "/a%252Fb/c", "/a%252Fb/c"],
      ["/./..//a", "/a", "/a"],
    ] as const) {
      assert.equal(normalizePath(path, "NONE"), path);
      assert.equal(normalizePath(path, "MERGE_SLASHES"), merged, path);
      assert.equal(normalizePath(path, "DECODE_AND_MERGE_SLASHES"), decoded, path);
      assert.equal(normalizePath(decoded, "DECODE_AND_MERGE_SLASHES"), decoded, path);
    }
  });

  it("rejects or decodes escaped slashes at every level", () => {
    for (const level of ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const) {
      for (const path of ["/a%2fb", "/a%2F", "/%5c", "/a%5Cb"])
        assert.equal(normalizePath(path, level, "reject"), null);
      assert.equal(normalizePath("/a%252fb%2e", level, "reject"), level === "NONE" ? "/a%252fb%2e" : "/a%252fb.");
    }
    assert.equal(normalizePath("/a%2f..%5C%61%zz", "NONE", "decode"), "/a/..\\%61%zz");
    assert.equal(normalizePath("/a%2f..%5C%61//", "BASE", "decode"), "/a//");
    assert.equal(normalizePath("/a%2f..%5C%61//", "MERGE_SLASHES", "decode"), "/a/");
  });

  it("refuses nothing where it changes nothing", () => {
    for (const path of ["/%", "/%00", "/../..", "/a\\b"]) assert.equal(normalizePath(path, "NONE"), path);
    for (const level of ["MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const) {
      for (const path of ["/%", "/%00", "//%zz"]) assert.equal(normalizePath(path, level), null, path);
    }
  });

  it("refuses broken escapes and escaped NUL", () => {
    for (const path of [
      "/%",
      "/%4",
      "/%zz",
      "/%4z",
      "/%z4",
      "/a%%41",
      "/%00",
      "/a/%2e%00",
      "/%41%0",
      "/%\u00b9\u00b9",
      "/%٣٣",
    ]) {
      assert.equal(normalizePath(path), null, path);
    }
  });

  it("does not change what it has made", () => {
    for (const path of ["/a/%2e%2e/b/%41%2F\\..\\c/.", "/%2e/%2E%2e/x", "/..%2f../%5c"]) {
      const normal = normalizePath(path)!;
      assert.equal(normalizePath(normal), normal, path);
    }
  });
});
