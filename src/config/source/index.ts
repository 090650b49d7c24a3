// SPDX-License-Identifier: Apache-2.0
// Sources of configuration text.

export { createFileSource, type FileSource, type FileSourceDeps, type OnFiles } from "./files.ts";
export { readPaths, type ReadResult, type SourceFile } from "./read-paths.ts";
