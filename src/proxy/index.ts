// SPDX-License-Identifier: Apache-2.0
// The data plane: listeners, HTTP/1.1, the pipeline, upstream pools and balancers.

export { createDataPlane, type DataPlane, type DrainResult } from "./data-plane.ts";
export { defaultDataPlaneOptions, type DataPlaneDeps, type DataPlaneOptions } from "./options.ts";
export { LimitTable, LimitView, type LimitMemory, type LimitSlots } from "./shared-limits.ts";
export { createNodeTransport } from "./transport/node-transport.ts";
export { defaultUringOptions, type UringDeps, type UringOptions } from "./transport/uring/uring-options.ts";
export { createUringTransport } from "./transport/uring/uring-transport.ts";
