// SPDX-License-Identifier: Apache-2.0
// What Prometheus learns of addresses and configuration, by MetalLB's names. Pure.

import type { Allocations, Decision } from "../../announce/index.ts";
import type { Sample } from "../../telemetry/port.ts";

/** Addresses of pools, and how many are in use. */
export function poolSamples({ pools }: Allocations): readonly Sample[] {
  return pools.flatMap(({ name: pool, ipv4, ipv6, services }) => {
    const gauge = (name: string, help: string, value: number | bigint): Sample => {
      // Beyond 2^53 the last digits are not exact, and nobody counts them.
      return { name: `metallb_allocator_${name}`, help, type: "gauge", labels: { pool }, value: Number(value) };
    };
    return [
      gauge("addresses_total", "Addresses of the pool that services may get", ipv4.total + ipv6.total),
      gauge("ipv4_addresses_total", "IPv4 addresses of the pool that services may get", ipv4.total),
      gauge("ipv6_addresses_total", "IPv6 addresses of the pool that services may get", ipv6.total),
      gauge("addresses_in_use_total", "Addresses of the pool that services have", ipv4.inUse + ipv6.inUse),
      gauge("ipv4_addresses_in_use_total", "IPv4 addresses of the pool that services have", ipv4.inUse),
      gauge("ipv6_addresses_in_use_total", "IPv6 addresses of the pool that services have", ipv6.inUse),
      gauge("services_allocated_total", "Services that have an address of the pool", services),
    ];
  });
}

/** What this node announces, but for what it withholds; a sample for each service, protocol and address. */
export function announcedSamples(
  node: string,
  { layer2, services }: Decision,
  withheld: ReadonlyMap<string, string>,
): readonly Sample[] {
  const announced = (service: string, protocol: string, ip: string): Sample => ({
    name: "metallb_speaker_announced",
    help: "1 for each address that this node announces",
    type: "gauge",
    labels: { service, protocol, node, ip },
    value: 1,
  });
  return [
    ...layer2.map(({ service, ip }) => announced(service, "layer2", ip)),
    ...services.flatMap(({ service, addresses, bgpPeers }) =>
      bgpPeers.length === 0 ? [] : addresses.map((ip) => announced(service, "bgp", ip)),
    ),
  ].filter(({ labels }) => !withheld.has(labels["ip"]!));
}

export interface ConfigCounts {
  /** Configurations that were built. */
  readonly updates: number;
  /** Of these, how many had errors. */
  readonly failures: number;
  readonly loaded: boolean;
  /** What is in force is not what the files say. */
  readonly stale: boolean;
}

export function configSamples({ updates, failures, loaded, stale }: ConfigCounts): readonly Sample[] {
  const prefix = "metallb_k8s_client";
  const sample = (name: string, help: string, type: Sample["type"], value: number): Sample => {
    return { name: `${prefix}_${name}`, help, type, labels: {}, value };
  };
  return [
    sample("updates_total", "Configurations that were read", "counter", updates),
    sample("update_errors_total", "Configurations that had errors", "counter", failures),
    sample("config_loaded_bool", "1 when a configuration is in force", "gauge", Number(loaded)),
    sample(
      "config_stale_bool",
      "1 when the files have errors, and something older is in force",
      "gauge",
      Number(stale),
    ),
  ];
}
