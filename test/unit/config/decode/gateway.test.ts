// SPDX-License-Identifier: Apache-2.0
// Gateway: served servers are kept, others are left out with a warning.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, decodeOne, istio, problemsOf } from "./decoding.ts";

const http = '{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}';

describe("Gateway", () => {
  it("decodes selector and servers", () => {
    const text = istio(
      "Gateway",
      `selector: {istio: ingressgateway}
servers:
- port: {number: 8080, name: web, protocol: http}
  bind: 127.0.0.1
  name: first
  hosts: [Shop.Example.com, ./own.org, infra/*.org, "*/a.b", "*"]`,
    );
    const gateway = decodeOne("Gateway", text);
    assert.deepEqual(decode(text).problems, []);
    assert.deepEqual(gateway.selector, { istio: "ingressgateway" });
    assert.deepEqual(gateway.servers, [
      {
        position: { file: "test.yaml", line: 7, column: 5 },
        port: 8080,
        portName: "web",
        protocol: "HTTP",
        bind: "127.0.0.1",
        hosts: [
          { namespace: "*", host: "shop.example.com" },
          { namespace: "shop", host: "own.org" },
          { namespace: "infra", host: "*.org" },
          { namespace: "*", host: "a.b" },
          { namespace: "*", host: "*" },
        ],
      },
    ]);
  });

  const leftOut = [
    "{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.b], tls: {mode: SIMPLE, credentialName: c}}",
    "{port: {number: 81, name: h2, protocol: HTTP2}, hosts: [a.b]}",
    "{port: {number: 82, name: grpc, protocol: GRPC}, hosts: [a.b]}",
    "{port: {number: 83, name: tcp, protocol: TCP}, hosts: [a.b]}",
    "{port: {number: 84, name: http, protocol: HTTP}, hosts: [a.b], tls: {httpsRedirect: true}}",
    "{port: {number: 85, name: http, protocol: HTTP}, hosts: [a.b], bind: 'unix:///x'}",
  ];
  for (const server of leftOut) {
    it(`leaves out ${server}`, () => {
      const text = istio("Gateway", `servers: [${server}, ${http}]`);
      assert.deepEqual(problemsOf(text), ["warning UNSERVED_FIELD spec.servers[0]"]);
      assert.deepEqual(
        decodeOne("Gateway", text).servers.map(({ port }) => port),
        [80],
      );
    });
  }

  it("takes httpsRedirect: false for what it is", () => {
    assert.deepEqual(
      problemsOf(istio("Gateway", `servers: [${http.replace("}, hosts", "}, tls: {httpsRedirect: false}, hosts")}]`)),
      [],
    );
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["selector: {}", ["error REQUIRED spec"]],
    ["servers: []", ["error REQUIRED spec.servers"]],
    ["servers: [{hosts: [a.b]}]", ["error REQUIRED spec.servers[0]"]],
    [`servers: [${http.replace('["*"]', "[]")}]`, ["error REQUIRED spec.servers[0].hosts"]],
    [`servers: [${http.replace("name: http, ", "")}]`, ["error REQUIRED spec.servers[0].port"]],
    [`servers: [${http.replace("80", "0")}]`, ["error VALUE spec.servers[0].port.number"]],
    [`servers: [${http.replace("HTTP", "GOPHER")}]`, ["error VALUE spec.servers[0].port.protocol"]],
    [`servers: [${http.replace('"*"', '"a.*"')}]`, ["error VALUE spec.servers[0].hosts[0]"]],
    [`servers: [${http.replace('"*"', '"UPPER/a.b"')}]`, ["error VALUE spec.servers[0].hosts[0]"]],
    [`servers: [${http.replace("}, hosts", "}, bind: everywhere, hosts")}]`, ["error VALUE spec.servers[0].bind"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`refuses ${spec}`, () => {
      assert.deepEqual(problemsOf(istio("Gateway", spec)), expected);
      assert.deepEqual(decode(istio("Gateway", spec)).resources, []);
    });
  }
});
