// SPDX-License-Identifier: Apache-2.0
// Short ways to write route tables and requests for the router's tests and benches.

import type { RouteMatch, RouteSpec, RouteTableSpec, StringMatch } from "../../../src/model/index.ts";
import type { RequestView } from "../../../src/router/index.ts";

export const exact = (value: string): StringMatch => ({ kind: "exact", value });
export const prefix = (value: string): StringMatch => ({ kind: "prefix", value });
export const regex = (value: string): StringMatch => ({ kind: "regex", value });
export const presence: StringMatch = { kind: "presence" };

/** A route named `name` that asks only what `match` says. */
export function route(name: string, match: Partial<RouteMatch> = {}): RouteSpec {
  return {
    name,
    match: {
      uri: null,
      ignoreUriCase: false,
      method: null,
      scheme: null,
      authority: null,
      headers: [],
      withoutHeaders: [],
      queryParams: [],
      ...match,
    },
    action: { kind: "reply", status: 200, body: name },
    origin: {
      resource: { kind: "VirtualService", namespace: "default", name: "test" },
      position: { file: "test.yaml", line: 1, column: 1 },
      path: "spec.http[0]",
    },
  };
}

/** A table with one virtual host per entry; the key lists its domains, separated by blanks. */
export function table(hosts: Readonly<Record<string, readonly RouteSpec[]>>): RouteTableSpec {
  return {
    name: "http.80",
    hosts: Object.entries(hosts).map(([domains, routes]) => ({
      name: `${domains}:80`,
      domains: domains.split(" "),
      routes,
    })),
  };
}

export interface RequestParts {
  readonly method?: string;
  readonly scheme?: string;
  readonly authority?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

export function request(parts: RequestParts = {}): RequestView {
  const { method = "GET", scheme = "http", authority = "example.com", headers = {}, query = "" } = parts;
  return {
    method,
    scheme,
    authority: () => authority,
    header: (name) => (Object.hasOwn(headers, name) ? headers[name]! : null),
    query: () => query,
  };
}
