// SPDX-License-Identifier: Apache-2.0
// The nouns: resources as decoded, problems, and the compiled snapshots. Types first, almost no behaviour.

export * from "./build-id.ts";
export * from "./limits.ts";
export * from "./order.ts";
export * from "./problem-list.ts";
export * from "./problem.ts";
export type * from "./announce.ts";
export type * from "./resources.ts";
export * from "./retry-on.ts";
export * from "./snapshot.ts";
