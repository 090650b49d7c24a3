// SPDX-License-Identifier: Apache-2.0
// Option values with an inner form: port mappings, labels, headers. Pure; a malformed one is a usage error.

import { parseHostPort, parsePort } from "../core/index.ts";
import type { Labels } from "../model/index.ts";
import { usageError } from "./command.ts";
import type { OptionValues } from "./parse.ts";

/** Where a configured port is really bound. */
export interface BindAddress {
  /** "" = all addresses, IPv4 and IPv6. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** `--listen 80=8080`, `80=127.0.0.1:8080`, `80=[::1]:0`: configured port → where it is bound. */
export function parsePortMap(values: OptionValues): ReadonlyMap<number, BindAddress> {
  const map = new Map<number, BindAddress>();
  for (const text of values.list("listen")) {
    const equals = text.indexOf("=");
    const configured = parsePort(text.slice(0, Math.max(0, equals)));
    const target = parseTarget(text.slice(equals + 1));
    if (configured === null || configured === 0 || target === null) {
      throw usageError(
        `--listen ${text}: must look like 80=8080 or 80=127.0.0.1:8080, with ports up to 65535`,
        values.commandName,
      );
    }
    if (map.has(configured)) throw usageError(`--listen maps port ${configured} twice`, values.commandName);
    map.set(configured, target);
  }
  return map;
}

function parseTarget(text: string): BindAddress | null {
  const port = parsePort(text);
  if (port !== null) return { host: "", port };
  const target = parseHostPort(text);
  return target === null || target.port === null ? null : { host: target.host, port: target.port };
}

/** `--labels a=b,c=d`, repeatable. An empty value is a label with an empty value, as in Kubernetes. */
export function parseLabels(values: OptionValues, option = "labels"): Labels {
  const labels: Record<string, string> = {};
  for (const pair of values.list(option).flatMap((text) => text.split(","))) {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw usageError(`--${option} ${pair}: must look like istio=ingressgateway`, values.commandName);
    labels[pair.slice(0, equals).trim()] = pair.slice(equals + 1).trim();
  }
  return labels;
}

/** `--header 'Name: value'`, repeatable: names in lower case; values of one name are joined as they are for matching. */
export function parseHeaders(values: OptionValues): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const text of values.list("header")) {
    const colon = text.indexOf(":");
    const name = text.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      throw usageError(`--header '${text}': must look like 'name: value'`, values.commandName);
    }
    const value = text.slice(colon + 1).trim();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : earlier + (name === "cookie" ? "; " : ",") + value);
  }
  return headers;
}

/** All of -f and the positional paths, in that order; at least one. */
export function parsePaths(values: OptionValues): readonly string[] {
  const paths = [...values.list("filename"), ...values.positionals];
  if (paths.length > 0) return paths;
  throw usageError("no configuration given: name files or directories, e.g. -f config/", values.commandName);
}
