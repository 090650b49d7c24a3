// SPDX-License-Identifier: Apache-2.0
// What a process that serves and the process of one build say to each other: one question on stdin, one answer on
// stdout. Both must be of one build.

import { deserialize, serialize } from "node:v8";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Problem } from "../model/index.ts";
import type { Build, BuilderState } from "./build.ts";
import type { CompileOptions } from "./link/options.ts";
import type { SourceFile } from "./source/index.ts";

/** A builder's state as bytes: a hundredth of what it is as objects, and nothing for the garbage collector to visit. */
export type PackedState = Uint8Array;

export interface BuildRequest {
  /** Of who asks; to be looked at before the rest. */
  readonly buildId: string;
  readonly files: readonly SourceFile[];
  readonly sourceProblems: readonly Problem[];
  readonly options: CompileOptions;
  /** Whether the resources themselves are wanted back. */
  readonly wantsResources: boolean;
  /** Of the build before. */
  readonly state: PackedState;
}

/** What is null is the same as after the build before: it need not be copied then. */
export interface BuildAnswer extends Omit<Build, "resources" | "routing" | "endpoints"> {
  readonly resourceCount: number;
  /** null also when they are not wanted. */
  readonly resources: Build["resources"] | null;
  readonly routing: Build["routing"] | null;
  readonly endpoints: Build["endpoints"] | null;
  readonly state: PackedState;
}

export function packState(state: BuilderState): PackedState {
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  return zstdCompressSync(serialize(state), { params });
}

/** The other way round; what `packState` made. */
export function unpackState(packed: PackedState): BuilderState {
  return deserialize(zstdDecompressSync(packed)) as BuilderState;
}
