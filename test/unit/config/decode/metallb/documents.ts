// SPDX-License-Identifier: Apache-2.0
// Documents of MetalLB's kinds.

/** `spec` is a flow map; "" leaves it out. */
export function metallb(kind: string, spec: string, version = kind === "BGPPeer" ? "v1beta2" : "v1beta1"): string {
  const head = `apiVersion: metallb.io/${version}\nkind: ${kind}\nmetadata: {name: x, namespace: metallb-system}\n`;
  return spec === "" ? head : `${head}spec: ${spec}`;
}

/** What every resource of `metallb` has. */
export const base = {
  namespace: "metallb-system",
  name: "x",
  labels: {},
  createdMs: null,
  order: 0,
  position: { file: "test.yaml", line: 1, column: 1 },
} as const;
