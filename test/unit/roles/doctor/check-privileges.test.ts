// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { checkPrivileges } from "../../../../src/roles/doctor/check-privileges.ts";
import type { Facts } from "../../../../src/roles/doctor/facts.ts";
import { doc, peer, pool } from "../../announce/link/linking.ts";
import { allCapabilities, complaints, facts, files, live } from "./builders.ts";

type Asked = Parameters<typeof checkPrivileges>[1];

const heartbeats = { keyFile: "key", host: "0.0.0.0", port: 7_947, peers: [] };
const goodKey = { path: "key", failure: null, mode: 0o600 };
const bgpListen = { addresses: ["0.0.0.0"], port: 179 };
const plain: Asked = { bindVip: false, bgpListen: null, heartbeats };

const layer2 = [pool("lan", "10.9.0.0/24"), doc("L2Advertisement", "lan")];
const bgp = [pool("lan", "10.9.0.0/24"), doc("BGPAdvertisement", "lan"), peer("router")];
const guarded = [pool("lan", "10.9.0.0/24"), doc("BGPAdvertisement", "lan"), peer("router", ", password: hush")];

function without(...bits: readonly bigint[]): Partial<Facts> {
  return { capabilities: bits.reduce((rest, bit) => rest & ~(1n << bit), allCapabilities) };
}

function port(failure: string | null): Partial<Facts> {
  return { ports: [{ use: "BGP peers", option: "--bgp-listen", at: "0.0.0.0:179", port: 179, failure }] };
}

interface Row {
  readonly name: string;
  readonly facts?: Partial<Facts>;
  readonly options?: Partial<Asked>;
  /** null = none are named. */
  readonly documents?: readonly string[] | null;
  readonly says: readonly string[];
}

const noFfi = { ffi: "this Node has no node:ffi", packets: "this Node has no node:ffi; Node 26.5 has it" };
const rows: readonly Row[] = [
  { name: "everything is there", says: [] },
  {
    name: "layer 2 without node:ffi",
    facts: noFfi,
    says: [`error node:ffi: ${noFfi.ffi}`, `error net-raw: ${noFfi.packets}`],
  },
  {
    name: "no files, without node:ffi",
    facts: noFfi,
    documents: null,
    says: [`warning node:ffi: ${noFfi.ffi}`, `warning net-raw: ${noFfi.packets}`],
  },
  { name: "BGP without node:ffi", facts: noFfi, documents: bgp, says: [`info node:ffi: ${noFfi.ffi}`] },
  {
    name: "BGP with a password without node:ffi",
    facts: noFfi,
    documents: guarded,
    says: [`error node:ffi: ${noFfi.ffi}`],
  },
  {
    name: "--bind-vip without node:ffi",
    facts: noFfi,
    options: { bindVip: true },
    documents: bgp,
    says: [`error node:ffi: ${noFfi.ffi}`],
  },
  { name: "layer 2 without NET_RAW", facts: without(13n), says: ["error net-raw: CAP_NET_RAW is not there"] },
  {
    name: "layer 2 with NET_RAW that counts for nothing",
    facts: { packets: "packet sockets need the capability NET_RAW" },
    says: ["error net-raw: packet sockets need the capability NET_RAW"],
  },
  {
    name: "no files, without NET_RAW",
    facts: without(13n),
    documents: null,
    says: ["warning net-raw: CAP_NET_RAW is not there"],
  },
  { name: "BGP without NET_RAW", facts: without(13n), documents: bgp, says: [] },
  { name: "no NET_ADMIN and no --bind-vip", facts: without(12n), says: [] },
  {
    name: "--bind-vip without NET_ADMIN",
    facts: without(12n),
    options: { bindVip: true },
    says: ["error net-admin: CAP_NET_ADMIN is not there"],
  },
  { name: "--bind-vip with NET_ADMIN", options: { bindVip: true }, says: [] },
  { name: "--bgp-listen 179 with NET_BIND_SERVICE", options: { bgpListen }, says: [] },
  {
    name: "--bgp-listen 179 without NET_BIND_SERVICE",
    facts: without(10n),
    options: { bgpListen },
    says: ["error bind-service: CAP_NET_BIND_SERVICE is not there"],
  },
  {
    name: "--bgp-listen 179 where that is no privileged port",
    facts: { ...without(10n), firstFreePort: 179 },
    options: { bgpListen },
    says: [],
  },
  { name: "--bgp-listen 1179", facts: without(10n), options: { bgpListen: { ...bgpListen, port: 1_179 } }, says: [] },
  {
    name: "a system without capabilities",
    facts: { capabilities: null },
    options: { bindVip: true, bgpListen },
    says: [],
  },
  { name: "a port that is taken", facts: port("EADDRINUSE"), says: ["error ports: 0.0.0.0:179 is taken"] },
  {
    name: "a port that is not allowed",
    facts: port("EACCES"),
    says: ["error ports: 0.0.0.0:179 is a privileged port"],
  },
  {
    name: "an address of another machine",
    facts: port("EADDRNOTAVAIL"),
    says: ["error ports: 0.0.0.0:179 is no address of this machine"],
  },
  { name: "another failure", facts: port("EMFILE"), says: ["error ports: 0.0.0.0:179 cannot be bound: EMFILE"] },
  { name: "an announcer that has the ports", facts: { ports: [], running: live() }, says: [] },
  {
    name: "no key file",
    facts: { keyFile: null },
    options: { heartbeats: null },
    says: ["info keys: without --key-file this node is alone and takes every address"],
  },
  {
    name: "a key file that is not there",
    facts: { keyFile: { path: "key", failure: "ENOENT: no such file", mode: 0 } },
    says: ["error keys: key: ENOENT: no such file"],
  },
  {
    name: "a key file that others can read",
    facts: { keyFile: { ...goodKey, mode: 0o640 } },
    says: ["warning keys: key can be read by others: its mode is 0640"],
  },
];

suite("privileges, ports and keys", () => {
  for (const { name, facts: changes, options, documents = layer2, says } of rows) {
    test(name, () => {
      const config = documents === null ? null : files(documents).announcing.config;
      const found = checkPrivileges(facts({ keyFile: goodKey, ...changes }), { ...plain, ...options }, config);
      assert.deepEqual(complaints(found), says);
      for (const { status, fix } of found) assert.equal(status === "error" && fix === "", false, "says what to do");
    });
  }

  test("every check says something even when all is well", () => {
    const found = checkPrivileges(facts({ keyFile: goodKey }), plain, null);
    assert.deepEqual(
      found.map(({ check }) => check),
      ["node:ffi", "net-raw", "net-admin", "bind-service", "ports", "keys"],
    );
  });
});
