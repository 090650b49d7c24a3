// SPDX-License-Identifier: Apache-2.0
// Configuration: from sources over decode, store, link and compile to published snapshots.

export type { IgnoredKind } from "./decode/index.ts";
export { selects, type CompileOptions } from "./link/options.ts";
export { checkConfig, type CheckedConfig } from "./check.ts";
export { convertConfigMaps } from "./convert.ts";
export {
  createConfigLoop,
  type ConfigLoop,
  type ConfigLoopDeps,
  type ConfigLoopOptions,
  type ConfigSink,
} from "./loop.ts";
export { createFileSource, type FileSource, type FileSourceDeps, type OnFiles } from "./source/index.ts";
