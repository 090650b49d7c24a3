// SPDX-License-Identifier: Apache-2.0
// The names under which a client may call a service, besides its full host name.

import type { ProxyIdentity } from "../../model/index.ts";
import { isWildcardHost } from "../link/hosts.ts";
import type { LinkedService } from "../link/services.ts";

/**
 * Istio's domain list of a sidecar's virtual host: the Kubernetes short forms (the bare name only inside its own
 * namespace) and cluster addresses. Names with a trailing dot, which Istio lists too, are the router's: it looks hosts
 * up without one. Names of single pods of headless services are left out, because a cluster cannot be told which of its
 * endpoints is meant.
 */
export function serviceAliases(service: LinkedService, identity: ProxyIdentity): string[] {
  const { host, source } = service;
  if (isWildcardHost(host)) return [];
  const names = shortNames(host, identity);
  return source.kind === "Service" ? [...names, ...source.clusterIPs] : names;
}

function shortNames(host: string, identity: ProxyIdentity): string[] {
  const suffix = `.svc.${identity.clusterDomain}`;
  if (!host.endsWith(suffix)) return [];
  const [name, namespace, ...rest] = host.slice(0, -suffix.length).split(".");
  if (name === undefined || namespace === undefined || rest.length > 0) return [];
  const names = [`${name}.${namespace}.svc`, `${name}.${namespace}`];
  return namespace === identity.namespace ? [...names, name] : names;
}
