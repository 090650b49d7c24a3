// SPDX-License-Identifier: Apache-2.0
// Builds small configurations here and now, and large ones in a process that lives for one build: reading a megabyte of
// YAML takes a second, in which nothing would be served, and leaves 60 MB of garbage, which that process takes with it.
// (A thread would not: V8 keeps the memory of a dead thread for the next one.)

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { buildId, type Problem } from "../model/index.ts";
import { createBuilder, type Build, type Builder } from "./build.ts";
import { packState, type BuildAnswer, type BuildRequest, type PackedState } from "./build-protocol.ts";
import type { CompileOptions } from "./link/options.ts";
import type { SourceFile } from "./source/index.ts";

export interface BuildResult extends Omit<Build, "resources"> {
  readonly resourceCount: number;
  /** null = they were not asked for: who serves does not need them. */
  readonly resources: Build["resources"] | null;
}

/** Starts what reads a BuildRequest on stdin and writes a BuildAnswer to stdout. */
export type StartProcess = () => ChildProcessWithoutNullStreams;

/** Characters of all files together. Reading so many takes some 30 ms, half of what it takes to start a process. */
const inProcessChars = 64 * 1024;
/** A process that takes longer hangs, and would keep every later change from being built. */
const longestBuildMs = 300_000;

/** As `Builder`, but one build after the other: the next one only when the promise of the last has settled. */
export class ScalingBuilder {
  readonly #options: CompileOptions;
  readonly #wantsResources: boolean;
  readonly #start: StartProcess;
  /** null from the first build in a process of its own. */
  #builder: Builder | null;
  #state: PackedState | null = null;
  #latest: Pick<BuildResult, "routing" | "endpoints" | "resources"> | null = null;
  #child: ChildProcessWithoutNullStreams | null = null;

  constructor(options: CompileOptions, wantsResources: boolean, start: StartProcess = startBuildProcess) {
    this.#options = options;
    this.#wantsResources = wantsResources;
    this.#start = start;
    this.#builder = createBuilder(options);
  }

  /**
   * A promise only where a process is started. A configuration that was large once is always built in one. Rejects when
   * that fails or is closed, and then what was built before counts.
   */
  build(files: readonly SourceFile[], sourceProblems: readonly Problem[]): BuildResult | Promise<BuildResult> {
    const chars = files.reduce((sum, { text: { length } }) => sum + length, 0);
    if (this.#builder === null || chars > inProcessChars) return this.#buildElsewhere(files, sourceProblems);
    const build = this.#builder.build(files, sourceProblems);
    const resources = this.#wantsResources ? build.resources : null;
    this.#latest = { ...build, resources };
    return { ...build, resources, resourceCount: build.resources.length };
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child === null || !child.kill("SIGKILL")) return;
    await once(child, "close");
  }

  async #buildElsewhere(files: readonly SourceFile[], sourceProblems: readonly Problem[]): Promise<BuildResult> {
    const state = this.#state ?? packState(this.#builder!.state());
    const wantsResources = this.#wantsResources;
    const answer = await this.#ask({ buildId, files, sourceProblems, options: this.#options, wantsResources, state });
    this.#builder = null;
    // A copy: it lies in the bytes of the whole answer.
    this.#state = new Uint8Array(answer.state);
    const latest = {
      routing: answer.routing ?? this.#latest!.routing,
      endpoints: answer.endpoints ?? this.#latest!.endpoints,
      resources: answer.resources ?? this.#latest?.resources ?? null,
    };
    this.#latest = latest;
    const { resourceCount, problems, ignored, compiled } = answer;
    return { resourceCount, problems, ignored, compiled, ...latest };
  }

  async #ask(request: BuildRequest): Promise<BuildAnswer> {
    // Before there is a process that waits for it: what cannot be written must not leave one behind.
    const question = serialize(request);
    const child = this.#start();
    this.#child = child;
    try {
      const closed = once(child, "close") as Promise<[code: number | null, signal: string | null]>;
      // It could not be started. The error says why, and for want of file descriptors there are no pipes either.
      if (child.pid === undefined) await closed;
      const output = Promise.all([buffer(child.stdout), text(child.stderr), closed]);
      // A process that ends early says why elsewhere.
      child.stdin.on("error", () => undefined);
      child.stdin.end(question);
      const [bytes, complaint, [code, signal]] = await output;
      if (code === 0) return deserialize(bytes) as BuildAnswer;
      const why = complaint.trim().slice(-1_000) || "memory was short, or it took more than five minutes";
      throw new Error(`the process of the build ended with ${signal ?? `code ${code}`}: ${why}`);
    } finally {
      this.#child = null;
    }
  }
}

/** The program lies beside this file, from source; in the bundle beside the chunk that this file is part of. */
export function startBuildProcess(timeoutMs = longestBuildMs): ChildProcessWithoutNullStreams {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = fileURLToPath(new URL(`./build-process.${extension}`, import.meta.url));
  // Detached: Ctrl-C goes to all of a terminal's group, and when this one ends is for us to say.
  return spawn(process.execPath, [program], { detached: true, timeout: timeoutMs, killSignal: "SIGKILL" });
}
