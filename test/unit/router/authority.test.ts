// SPDX-License-Identifier: Apache-2.0
// How an authority is read: host without port, and the port.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hostWithoutPort, portOf } from "../../../src/router/index.ts";

const cases: readonly (readonly [authority: string, host: string, port: number | null])[] = [
  ["example.com", "example.com", null],
  ["Example.COM:8080", "example.com", 8080],
  ["example.com.", "example.com", null],
  ["example.com.:80", "example.com", 80],
  ["example.com..", "example.com.", null],
  ["example.com:", "example.com", null],
  ["example.com:0", "example.com", 0],
  ["example.com:65535", "example.com", 65_535],
  ["10.0.0.1:15001", "10.0.0.1", 15_001],
  ["[2001:DB8::1]", "[2001:db8::1]", null],
  ["[2001:db8::1]:443", "[2001:db8::1]", 443],
  ["[::1]:", "[::1]", null],
  ["::1", "::1", null],
  ["2001:db8::80", "2001:db8::80", null],
  ["", "", null],
  [".", "", null],
  [":80", "", 80],
  // What is no port stays with the host and so matches no domain.
  ["example.com:65536", "example.com:65536", null],
  ["example.com:http", "example.com:http", null],
  ["example.com:+80", "example.com:+80", null],
  ["example.com: 80", "example.com: 80", null],
  ["example.com:80:80", "example.com:80:80", null],
  // Only ASCII letters fold: the Kelvin sign is not a k.
  ["BOO\u212a.com", "boo\u212a.com", null],
];

for (const [authority, host, port] of cases) {
  test(`authority ${JSON.stringify(authority)}`, () => {
    assert.equal(hostWithoutPort(authority), host);
    assert.equal(portOf(authority), port);
  });
}
