// SPDX-License-Identifier: Apache-2.0
// Where one request goes and why, for people and for programs: the answer of `naru routes --host --path`. Pure.

import { renderTable, type Terminal } from "../cli/index.ts";
import { formatHostPort } from "../core/index.ts";
import type { EndpointSnapshot, RouteAction, RouteSpec } from "../model/index.ts";
import {
  explainRoutes,
  madeHeaders,
  routedHeader,
  type ReceivedRequest,
  type RequestView,
  type RouteExplanation,
  type RouteVerdict,
} from "../router/index.ts";
import { describeAction, describeCluster, describeMatch, describeOrigin, describePosition } from "./describe-route.ts";
import type { SelectedTable } from "./route-list.ts";

/** The request that is followed. */
export interface AskedRequest {
  readonly method: string;
  /** As in the Host header. */
  readonly authority: string;
  /** As it would be sent. */
  readonly sentPath: string;
  /** Its normal form, which is what is matched and forwarded. */
  readonly path: string;
  /** Without "?". */
  readonly query: string;
  /** As a client sends them. Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The address of whoever connects. */
  readonly peerAddress: string;
}

/** Stands for the request id, of which naru makes a new one for each request. */
const exampleRequestId = "00000000-0000-4000-8000-000000000000";

/** What one route table does with the request. */
export interface Explanation {
  readonly selected: SelectedTable;
  readonly request: AskedRequest;
  /** By name: what routes are chosen by instead of what the client sends; null = the header is dropped. */
  readonly replaced: ReadonlyMap<string, string | null>;
  readonly result: RouteExplanation;
}

/** Follows the request through one route table. */
export function explainRequest(selected: SelectedTable, request: AskedRequest): Explanation {
  const { headers, peerAddress, authority } = request;
  const received: ReceivedRequest = {
    scheme: "http",
    peerAddress,
    requestIdText: () => exampleRequestId,
    receivedHeader: (name) => headers.get(name) ?? null,
  };
  const header = (name: string) => routedHeader(selected.listener.role, name, received);
  const view: RequestView = {
    method: request.method,
    scheme: received.scheme,
    authority: () => authority,
    header: (name) => (name === "host" ? authority : header(name)),
    query: () => request.query,
  };
  const names = new Set([...headers.keys(), ...madeHeaders]);
  const replaced = [...names].map((name) => [name, header(name)] as const);
  return {
    selected,
    request,
    replaced: new Map(replaced.filter(([name, value]) => value !== received.receivedHeader(name))),
    result: explainRoutes(selected.table, authority, request.path, view),
  };
}

/** For programs. */
export function explanationData(explanation: Explanation, endpoints: EndpointSnapshot): unknown {
  const { selected, request, replaced, result } = explanation;
  const { listener, port, table } = selected;
  return {
    request: { ...request, headers: Object.fromEntries(request.headers) },
    replacedHeaders: Object.fromEntries(replaced),
    listener: { name: listener.name, role: listener.role, port },
    routeTable: table.name,
    host: result.host,
    virtualHost: result.virtualHost?.name ?? null,
    domain: result.domain,
    domainMatch: result.domainMatch,
    matched: result.matched === null ? null : matchedData(result.matched, endpoints),
    routes: result.routes.map((verdict, index) => ({
      order: index + 1,
      outcome: verdict.outcome,
      failure: verdict.outcome === "failed" ? verdict.failure : null,
      ...routeData(verdict.route),
    })),
  };
}

/** For people: the answer first, then every route in order with the reason why it did not match. */
export function writeExplanation(terminal: Terminal, explanation: Explanation, endpoints: EndpointSnapshot): void {
  const { selected, request, replaced, result } = explanation;
  const { listener, port, table } = selected;
  const { sentPath, path, query } = request;
  const target = query === "" ? sentPath : `${sentPath}?${query}`;
  const normalForm = sentPath === path ? "" : `, as ${path}`;
  const where = listener.role === "mesh" ? `mesh, service port ${port}` : `gateway port ${port}`;
  terminal.out(
    `${terminal.tone("strong", `${request.method} ${request.authority}${target}`)}${normalForm} on ${where}\n`,
  );
  for (const [name, value] of replaced)
    if (request.headers.has(name)) terminal.out(`${replacementText(name, value)}\n`);
  terminal.out("\n");
  if (result.virtualHost === null) {
    terminal.out(
      `${terminal.tone("bad", "no host")}    nothing in route table ${table.name} serves the host '${result.host}'\n`,
    );
    terminal.out(`hosts      ${table.hosts.flatMap(({ domains }) => domains.slice(0, 1)).join(", ") || "none"}\n`);
    return;
  }
  terminal.out(`host       '${result.host}' is served by ${result.virtualHost.name}${domainText(result)}\n`);
  if (result.matched === null) {
    terminal.out(
      `${terminal.tone("bad", "no route")}   none of the ${result.routes.length} routes matches: 404, flag NR\n\n`,
    );
  } else {
    writeMatched(terminal, result, result.matched, endpoints);
  }
  terminal.out(renderVerdicts(terminal, result.routes));
}

/** Of a header that was asked with: why the answer is not what it looks like. */
function replacementText(name: string, value: string | null): string {
  if (value === null) return `           naru drops ${name} of a client, so no route sees it`;
  const origin = name === "x-request-id" ? "a new one for each request" : value;
  return `           naru writes ${name} itself, and routes see that: ${origin}`;
}

function writeMatched(
  terminal: Terminal,
  result: RouteExplanation,
  route: RouteSpec,
  endpoints: EndpointSnapshot,
): void {
  const { action } = route;
  const number = result.routes.findIndex((verdict) => verdict.outcome === "matched") + 1;
  terminal.out(
    `${terminal.tone("good", "route")}      ${number} of ${result.routes.length}: ${describeMatch(route.match)}\n`,
  );
  terminal.out(`from       ${describeOrigin(route.origin)}\n`);
  terminal.out(`           ${describePosition(route.origin)}\n`);
  if (action.kind === "reply") {
    terminal.out(`answer     ${action.status} ${action.body}\n\n`);
    return;
  }
  terminal.out(`to         ${describeAction(action)}\n`);
  for (const { cluster } of action.destinations) {
    const found = endpoints.endpoints.get(cluster) ?? [];
    const list = found.map(({ address, port, ready, workload }) => {
      const name = workload.workload === "unknown" ? "" : ` ${workload.workload}`;
      return `${formatHostPort(address, port)}${name}${ready ? "" : " (not ready)"}`;
    });
    terminal.out(`endpoints  ${describeCluster(cluster)}: ${list.join(", ") || terminal.tone("caution", "none")}\n`);
  }
  terminal.out(`timeout    ${action.timeoutMs === 0 ? "none" : `${action.timeoutMs} ms`}\n`);
  terminal.out(`retries    ${retriesText(action.retries)}\n\n`);
}

function retriesText({
  attempts,
  on,
  statusCodes,
  perTryTimeoutMs,
}: Extract<RouteAction, { kind: "forward" }>["retries"]): string {
  if (attempts === 0) return "none";
  const perTry = perTryTimeoutMs === 0 ? "" : `, ${perTryTimeoutMs} ms each`;
  return `up to ${attempts} on ${[...on, ...statusCodes].join(",")}${perTry}`;
}

function domainText({ domain, host, domainMatch }: RouteExplanation): string {
  return domainMatch === "exact" && domain === host ? "" : `, whose domain ${domain} matches`;
}

function renderVerdicts(terminal: Terminal, verdicts: readonly RouteVerdict[]): string {
  const rows = verdicts.map((verdict, index) => [
    String(index + 1),
    describeMatch(verdict.route.match),
    verdictText(verdict),
    shortOrigin(verdict.route.origin),
    describePosition(verdict.route.origin),
  ]);
  const columns = [
    { title: "#", align: "right" as const },
    { title: "MATCH" },
    { title: "VERDICT" },
    { title: "RULE" },
    { title: "FROM" },
  ];
  return renderTable(columns, rows, terminal.width, (text) => terminal.tone("dim", text));
}

/** Routes come from VirtualServices, and tables are narrow: `shop/cart http[0].match[1]`. */
function shortOrigin({ resource, path }: RouteSpec["origin"]): string {
  return `${resource.namespace}/${resource.name} ${path.replace(/^spec\./, "")}`.trimEnd();
}

function verdictText(verdict: RouteVerdict): string {
  if (verdict.outcome !== "failed") return verdict.outcome;
  const { condition, wanted, actual } = verdict.failure;
  return `no: ${condition} is ${actual === null ? "absent" : JSON.stringify(actual)}, not ${wanted}`.replace(
    "not not ",
    "but must not be ",
  );
}

function matchedData(route: RouteSpec, endpoints: EndpointSnapshot): unknown {
  const { action } = route;
  const destinations = action.kind === "forward" ? action.destinations : [];
  return {
    ...routeData(route),
    action,
    endpoints: Object.fromEntries(destinations.map(({ cluster }) => [cluster, endpoints.endpoints.get(cluster) ?? []])),
  };
}

function routeData({ name, match, origin }: RouteSpec): Readonly<Record<string, unknown>> {
  return { name, match, resource: origin.resource, path: origin.path, position: origin.position };
}
