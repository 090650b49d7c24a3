// SPDX-License-Identifier: Apache-2.0
// What the compiled configuration is for: one process, its identity and its roles.

import type { Labels, ProxyIdentity } from "../../model/index.ts";

/** Of a process that serves neither Gateways nor the mesh nothing is compiled; what is read and kept is the same. */
export interface CompileOptions {
  readonly identity: ProxyIdentity;
  /** Serve the Gateways that select `identity.labels`. */
  readonly gateway: boolean;
  /** Serve the mesh on this one address (`bind` "" = all addresses); null = not at all. */
  readonly mesh: { readonly bind: string; readonly port: number } | null;
}

/** Istio's mesh-wide configuration namespace (MeshConfig.rootNamespace): its DestinationRules apply last, everywhere. */
export const rootNamespace = "istio-system";

/** Name of the reserved gateway that stands for all sidecars. */
export const meshGateway = "mesh";

/** Istio exportTo: `*` everybody, otherwise a namespace name; `~` is nobody and equals no namespace. */
export function isExportedTo(exportTo: readonly string[], namespace: string): boolean {
  return exportTo.includes("*") || exportTo.includes(namespace);
}

/** All labels of the selector are present with the same value; an empty selector selects everything. */
export function selects(selector: Labels, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}
