// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { announcedSamples, configSamples, poolSamples } from "../../../../src/roles/announce/announce-samples.ts";
import { mergeInterfaces } from "../../../../src/roles/announce/announcements.ts";

const values = (samples: readonly { readonly name: string; readonly value: number }[]) =>
  Object.fromEntries(samples.map(({ name, value }) => [name, value]));

suite("what a decision asks of layer 2", () => {
  test("is one announcement for an address, on the interfaces of all services that share it", () => {
    const each = (service: string, ip: string, ...interfaces: readonly string[]) => ({ service, ip, interfaces });
    assert.deepEqual(
      mergeInterfaces([
        each("default/a", "10.0.0.1", "eth0"),
        each("default/b", "10.0.0.1", "eth0", "eth1"),
        each("default/c", "10.0.0.2", "eth0"),
        each("default/d", "10.0.0.2"),
        each("default/e", "10.0.0.2", "eth1"),
      ]),
      [
        { ip: "10.0.0.1", interfaces: ["eth0", "eth1"] },
        { ip: "10.0.0.2", interfaces: [] },
      ],
    );
  });
});

suite("metrics of announcing", () => {
  test("count addresses of pools by family and together", () => {
    const ipv4 = { total: 256n, inUse: 2 };
    const ipv6 = { total: 2n ** 64n, inUse: 1 };
    const samples = poolSamples({ services: [], pools: [{ name: "lan", ipv4, ipv6, services: 2 }] });
    assert.deepEqual(values(samples), {
      metallb_allocator_addresses_total: 2 ** 64,
      metallb_allocator_ipv4_addresses_total: 256,
      metallb_allocator_ipv6_addresses_total: 2 ** 64,
      metallb_allocator_addresses_in_use_total: 3,
      metallb_allocator_ipv4_addresses_in_use_total: 2,
      metallb_allocator_ipv6_addresses_in_use_total: 1,
      metallb_allocator_services_allocated_total: 2,
    });
    for (const { labels } of samples) assert.deepEqual(labels, { pool: "lan" });
  });

  test("show each address that this node announces, by protocol", () => {
    const service = {
      service: "default/a",
      addresses: ["10.0.0.1", "fd00::1"],
      pool: "lan",
      layer2Node: "n1",
      bgpPeers: ["router"],
      layer2Reason: null,
      bgpReason: null,
      reason: null,
    };
    const layer2 = [{ service: "default/a", ip: "10.0.0.1", interfaces: [] }];
    const elsewhere = { ...service, service: "default/b", layer2Node: "n2", bgpPeers: [] };
    const decision = { layer2, bgp: new Map(), services: [service, elsewhere] };
    const samples = announcedSamples("n1", decision, new Map());
    assert.deepEqual(
      samples.map(({ labels }) => [labels["service"], labels["protocol"], labels["node"], labels["ip"]].join(" ")),
      ["default/a layer2 n1 10.0.0.1", "default/a bgp n1 10.0.0.1", "default/a bgp n1 fd00::1"],
    );
    const honest = announcedSamples("n1", decision, new Map([["fd00::1", "port 80 is taken"]]));
    assert.deepEqual(
      honest.map(({ labels }) => labels["ip"]),
      ["10.0.0.1", "10.0.0.1"],
    );
  });

  test("say whether a configuration is in force and whether it is the present one", () => {
    assert.deepEqual(values(configSamples({ updates: 3, failures: 1, loaded: true, stale: true })), {
      metallb_k8s_client_updates_total: 3,
      metallb_k8s_client_update_errors_total: 1,
      metallb_k8s_client_config_loaded_bool: 1,
      metallb_k8s_client_config_stale_bool: 1,
    });
  });
});
