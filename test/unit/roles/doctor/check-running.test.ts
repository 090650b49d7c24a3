// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import type { LiveVips } from "../../../../src/roles/announce/live-vips.ts";
import { announcedElsewhere, checkRunning } from "../../../../src/roles/doctor/check-running.ts";
import { complaints, live } from "./builders.ts";

const session: LiveVips["bgpPeers"][number] = {
  name: "router",
  address: "10.0.0.1",
  port: 179,
  state: "Established",
  sinceWallMs: 0,
  lastError: null,
  announcedPrefixes: 1,
  pendingPrefixes: 0,
  receivedPrefixes: 0,
  agreed: null,
  bfd: null,
};
const answered: LiveVips["layer2"][number] = {
  ip: "10.9.0.200",
  phase: "announcing",
  interfaces: ["eth0"],
  foreign: null,
};
const foreign = { mac: "02:00:00:00:00:99", interface: "eth0" };

const rows: readonly (readonly [name: string, changes: Partial<LiveVips>, says: readonly string[]])[] = [
  ["all is well", { bgpPeers: [session], layer2: [answered] }, []],
  ["somebody claims an announced address", { layer2: [{ ...answered, foreign }] }, []],
  ["it starts", { state: "INITIALIZING (not yet)" }, ["warning announcer: a is INITIALIZING (not yet)"]],
  ["it has errors", { stale: true }, ["error announcer: a works with an older configuration"]],
  ["it lacks layer 2", { layer2Failure: "no packets" }, ["error announcer: no packets"]],
  [
    "a split brain",
    { splitBrains: [{ address: "10.9.0.200", nodes: ["a", "b"] }] },
    ["error announcer: 10.9.0.200 is announced by several nodes: a, b"],
  ],
  ["two of one name", { nameCollisions: ["a"] }, ["error announcer: two live nodes are called a"]],
  [
    "an address that somebody has",
    { layer2: [{ ...answered, phase: "conflict", foreign }] },
    ["error announcer: 10.9.0.200 is withheld: 02:00:00:00:00:99 on eth0 has it"],
  ],
  [
    "a session that is down",
    { bgpPeers: [session, { ...session, name: "core", state: "Connect" }] },
    ["warning announcer: the session with BGPPeer core (10.0.0.1:179) is Connect"],
  ],
];

suite("the announcer that runs here", () => {
  for (const [name, changes, says] of rows) {
    test(name, () => assert.deepEqual(complaints(checkRunning(live(changes))), says));
  }

  test("says nothing when there is none", () => assert.deepEqual(checkRunning(null), []));

  test("knows which addresses other nodes announce", () => {
    const vip = { pool: "lan", bgp: null, note: null };
    const vips: LiveVips["vips"] = [
      { ...vip, service: "default/one", addresses: ["10.9.0.200"], layer2: { node: "a", interfaces: [] } },
      { ...vip, service: "default/two", addresses: ["10.9.0.201"], layer2: { node: "b", interfaces: null } },
      { ...vip, service: "default/three", addresses: ["10.9.0.202"], layer2: null },
    ];
    assert.deepEqual([...announcedElsewhere(live({ vips }))], ["10.9.0.201"]);
    assert.deepEqual([...announcedElsewhere(null)], []);
  });
});
