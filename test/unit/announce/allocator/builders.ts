// SPDX-License-Identifier: Apache-2.0
// Pools and services for tests, with everything that a test does not name left at its default.

import type { AllocatorService } from "../../../../src/announce/allocator/allocator.ts";
import { ip } from "../../../../src/core/index.ts";
import type { AddressRange, IPAddressPool } from "../../../../src/model/index.ts";

const position = { file: "test.yaml", line: 1, column: 1 };

/** `a.b.c.d/n` or `first-last`. */
export function range(text: string): AddressRange {
  const cidr = ip.parseCidr(text);
  const [from, to] = text.split("-").map((end) => ip.parse(end));
  const { family, first, last } = cidr ?? { family: from!.family, first: from!.value, last: to!.value };
  return {
    position,
    text,
    family,
    first: ip.format({ family, value: first }),
    last: ip.format({ family, value: last }),
  };
}

export function pool(name: string, ranges: readonly string[], more: Partial<IPAddressPool> = {}): IPAddressPool {
  return {
    kind: "IPAddressPool",
    namespace: "metallb-system",
    name,
    labels: {},
    createdMs: null,
    order: 0,
    position,
    ranges: ranges.map(range),
    autoAssign: true,
    avoidBuggyIPs: false,
    serviceAllocation: null,
    ...more,
  };
}

export function service(name: string, more: Partial<AllocatorService> = {}): AllocatorService {
  return {
    key: `default/${name}`,
    namespace: "default",
    labels: {},
    namespaceLabels: {},
    sharingKey: "",
    backendKey: "",
    ports: ["TCP/80"],
    families: [4],
    familyPolicy: "SingleStack",
    requested: [],
    requestedPool: "",
    current: [],
    ...more,
  };
}
