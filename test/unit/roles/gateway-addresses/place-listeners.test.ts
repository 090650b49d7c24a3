// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { ListenerSpec, RoutingSnapshot, Service } from "../../../../src/model/index.ts";
import { placeListeners } from "../../../../src/roles/gateway-addresses/place-listeners.ts";

function listener(port: number, bind = "", role: "gateway" | "mesh" = "gateway"): ListenerSpec {
  return { name: `${role}_${bind}_${port}`, role, bind, port, tables: new Map([[port, `http.${port}`]]) };
}

function snapshot(...listeners: readonly ListenerSpec[]): RoutingSnapshot {
  return { version: "v", listeners, routeTables: new Map(), clusters: new Map() };
}

const ports = (...numbers: readonly (readonly [number, number])[]): Service["ports"] =>
  numbers.map(([port, targetPort]) => ({ name: "", port, targetPort, protocol: "TCP", appProtocol: "" }));

function placed(...args: Parameters<typeof placeListeners>): readonly string[] {
  return placeListeners(...args).listeners.map(({ bind, port, tables }) => `${bind}:${port} ${[...tables].join(" ")}`);
}

const none: ReadonlySet<number> = new Set();
const front = { ports: ports([80, 80]), addresses: ["10.0.0.1", "fd00::1"] };

suite("listeners of a gateway with addresses", () => {
  test("are at those that are held, and nowhere while none is", () => {
    const all = snapshot(listener(80), listener(15_001, "127.0.0.1", "mesh"));
    const mesh = "127.0.0.1:15001 15001,http.15001";
    assert.deepEqual(placed(all, [front], new Set(front.addresses), none), [
      "10.0.0.1:80 80,http.80",
      "fd00::1:80 80,http.80",
      mesh,
    ]);
    assert.deepEqual(placed(all, [front], new Set(["10.0.0.1"]), none), ["10.0.0.1:80 80,http.80", mesh]);
    assert.deepEqual(placed(all, [front], new Set(), none), [mesh]);
    assert.deepEqual(placed(all, [{ ...front, addresses: [] }], new Set(), none), [mesh]);
  });

  test("have the port of the Service and the routes of the Gateway", () => {
    const service = { ports: ports([80, 8080], [443, 8080]), addresses: ["10.0.0.1"] };
    assert.deepEqual(placed(snapshot(listener(8080)), [service], new Set(["10.0.0.1"]), none), [
      "10.0.0.1:80 80,http.8080",
      "10.0.0.1:443 443,http.8080",
    ]);
  });

  test("stay where they are when no Service has their port, or the command line or the Gateway says where", () => {
    const held = new Set(["10.0.0.1"]);
    const elsewhere = snapshot(listener(8443), listener(80, "192.0.2.1"));
    assert.equal(placeListeners(elsewhere, [front], held, none), elsewhere);
    const fixed = snapshot(listener(80));
    assert.equal(placeListeners(fixed, [front], held, new Set([80])), fixed);
    // A Gateway that names the address itself has it when it is ours.
    const named = snapshot(listener(80, "fd00::1"), listener(80, "10.0.0.1"));
    assert.deepEqual(placed(named, [front], held, none), ["10.0.0.1:80 80,http.80"]);
  });

  test("have a version that says where they are", () => {
    const all = snapshot(listener(80));
    const versions = [[], ["10.0.0.1"], ["fd00::1"], front.addresses].map(
      (held) => placeListeners(all, [front], new Set(held), none).version,
    );
    assert.equal(new Set(versions).size, 4);
  });
});
