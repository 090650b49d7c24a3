// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { ListenerSpec } from "../../../../src/model/index.ts";
import { unservedAddresses } from "../../../../src/roles/gateway-addresses/unserved-addresses.ts";
import type { ListenerStatus } from "../../../../src/telemetry/port.ts";

type Door = readonly [address: string, port: number, error: string | null];

function unserved(doors: readonly Door[], held: readonly string[], announced: readonly string[] = []) {
  const specs = doors.map(([bind, port]): ListenerSpec => {
    return { name: `${bind}_${port}`, role: "gateway", bind, port, tables: new Map() };
  });
  const statuses = doors.map(([bind, port, error]): ListenerStatus => {
    const name = `${bind}_${port}`;
    return { name, address: "", port: 0, configuredPort: port, role: "gateway", connectionsActive: 0, error };
  });
  return [...unservedAddresses(specs, statuses, new Set(held), new Set(announced))];
}

suite("addresses that are not served here", () => {
  test("are those that are held with a port that cannot be had, with the first reason", () => {
    const doors: readonly Door[] = [
      ["10.0.0.1", 80, null],
      ["10.0.0.1", 443, "443 is taken"],
      ["10.0.0.1", 444, "444 is taken"],
      ["10.0.0.2", 80, null],
      ["10.0.0.3", 80, "80 is taken"],
      ["", 8080, "8080 is taken"],
    ];
    assert.deepEqual(unserved(doors, ["10.0.0.1", "10.0.0.2", "10.0.0.4"]), [["10.0.0.1", "443 is taken"]]);
  });

  test("are not those that are announced and have one open port", () => {
    const doors: readonly Door[] = [
      ["10.0.0.1", 80, null],
      ["10.0.0.1", 443, "443 is taken"],
      ["10.0.0.2", 443, "443 is taken"],
    ];
    const both = ["10.0.0.1", "10.0.0.2"];
    assert.deepEqual(unserved(doors, both, both), [["10.0.0.2", "443 is taken"]]);
  });
});
