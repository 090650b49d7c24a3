// SPDX-License-Identifier: Apache-2.0
// The router: compiles route tables and matches requests. Pure: no I/O, no clock, no async.

export { hostWithoutPort, portOf } from "./authority.ts";
export { explainRoutes, type ConditionFailure, type RouteExplanation, type RouteVerdict } from "./explain.ts";
export { normalizePath } from "./path.ts";
export { compilePattern, type Pattern } from "./pattern.ts";
export type { RequestView } from "./request-view.ts";
export { madeHeaders, routedHeader, type ReceivedRequest } from "./routed-header.ts";
export { compileRouteTable, type RouteTable } from "./route-table.ts";
export type { CompiledRoute, VirtualHost } from "./virtual-host.ts";
