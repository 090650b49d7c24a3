// SPDX-License-Identifier: Apache-2.0
// YAML in, what the announcer works from and problems out.

import assert from "node:assert/strict";

import { linkAnnouncements, type AnnounceConfig, type LinkOptions } from "../../../../src/announce/index.ts";
import { decodeDocuments } from "../../../../src/config/decode/index.ts";
import { formatProblem } from "../../../../src/model/index.ts";

export interface Linked {
  readonly config: AnnounceConfig;
  /** `line severity kind/namespace/name path [CODE]` */
  readonly problems: readonly string[];
  readonly messages: readonly string[];
}

/** Links documents that decode without errors. */
export function link(documents: readonly string[], options: LinkOptions = {}): Linked {
  const decoded = decodeDocuments("vip.yaml", documents.join("\n---\n"), 0);
  assert.deepEqual(
    decoded.problems.filter(({ severity }) => severity === "error"),
    [],
  );
  const { config, problems } = linkAnnouncements(decoded.resources, options);
  return {
    config,
    problems: problems.map(
      ({ position, severity, resource, path, code }) =>
        `${position.line} ${severity} ${resource?.kind}/${resource?.name} ${path} [${code}]`,
    ),
    messages: problems.map(formatProblem),
  };
}

/** One MetalLB document on two lines; `spec` is a flow map. */
export function doc(kind: string, name: string, spec = "{}", metadata = ""): string {
  const version = kind === "BGPPeer" ? "v1beta2" : "v1beta1";
  return `{apiVersion: metallb.io/${version}, kind: ${kind}, metadata: {name: ${name}, namespace: metallb-system${metadata}},\nspec: ${spec}}`;
}

export function pool(name: string, addresses: string, more = ""): string {
  return doc("IPAddressPool", name, `{addresses: [${addresses}]${more}}`);
}

export function peer(name: string, more = "", address = "10.0.0.1"): string {
  return doc("BGPPeer", name, `{myASN: 64512, peerASN: 64513, peerAddress: ${address}${more}}`);
}

/** A core/v1 document; `body` is a flow map's inside. */
export function core(kind: string, metadata: string, body: string): string {
  return `{apiVersion: v1, kind: ${kind}, metadata: {${metadata}}, ${body}}`;
}

export function service(name: string, spec = "", metadata = ""): string {
  return core("Service", `name: ${name}${metadata}`, `spec: {type: LoadBalancer, ports: [{port: 80}]${spec}}`);
}

export const announceAll: readonly string[] = [doc("L2Advertisement", "all")];
