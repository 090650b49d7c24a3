// SPDX-License-Identifier: Apache-2.0
// Protocol of a service port: appProtocol, name prefix, well-known port.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isHttpProtocol, portProtocol } from "../../../../src/config/link/protocols.ts";

describe("port protocol", () => {
  const cases = [
    { name: "http", protocol: "http", http: true },
    { name: "http-web", protocol: "http", http: true },
    { name: "HTTP-Web", protocol: "http", http: true },
    { name: "http2-api", protocol: "http2", http: true },
    { name: "grpc", protocol: "grpc", http: true },
    { name: "grpc-web-api", protocol: "grpc", http: true },
    { name: "https-admin", protocol: "https", http: false },
    { name: "tls", protocol: "tls", http: false },
    { name: "tcp-foo", protocol: "tcp", http: false },
    { name: "redis", protocol: "redis", http: false },
    { name: "web", protocol: "unknown", http: true },
    { name: "", protocol: "unknown", http: true },
    { name: "httpfoo", protocol: "unknown", http: true },
    { name: "constructor", protocol: "unknown", http: true },
    { name: "tcp-foo", appProtocol: "http", protocol: "http", http: true },
    { name: "http", appProtocol: "https", protocol: "https", http: false },
    { name: "http", appProtocol: "example.com/own", protocol: "http", http: true },
    { name: "", appProtocol: "kubernetes.io/h2c", protocol: "http2", http: true },
    { name: "", appProtocol: "kubernetes.io/ws", protocol: "http", http: true },
    { name: "", appProtocol: "kubernetes.io/wss", protocol: "https", http: false },
    { name: "http", transport: "UDP", protocol: "udp", http: false },
    { name: "", number: 3306, protocol: "tcp", http: false },
    { name: "http", number: 3306, protocol: "http", http: true },
  ];
  for (const { name, appProtocol = "", transport = "TCP", number = 8080, protocol, http } of cases) {
    it(`${JSON.stringify(name)} ${appProtocol} ${transport} ${number} is ${protocol}`, () => {
      const found = portProtocol({ name, number, appProtocol, transport });
      assert.equal(found, protocol);
      assert.equal(isHttpProtocol(found), http);
    });
  }
});
