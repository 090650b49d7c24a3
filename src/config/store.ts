// SPDX-License-Identifier: Apache-2.0
// The last good version of every resource. A resource that becomes invalid keeps its last good version in force; one
// that is removed is dropped; one that is written twice counts once.

import { resolve, sep } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { formatRef, type Position, type Problem, type Resource, type ResourceRef } from "../model/index.ts";
import type { DecodeResult } from "./decode/index.ts";

export interface StoreUpdate {
  /** In force now, by ascending `order`. */
  readonly resources: readonly Resource[];
  /** Of the sources, the files and the store, in this order. */
  readonly problems: readonly Problem[];
  /** Whether `resources` differ from those of the update before. */
  readonly changed: boolean;
}

/** What is in force; data only. */
export interface StoreState {
  readonly lastGood: ReadonlyMap<Key, Resource>;
  readonly resources: readonly Resource[];
}

export interface Store {
  /**
   * Takes the whole present state: every file that could be read, in order, and the problems of the source. A file or
   * directory with a FILE_UNREADABLE or FILE_EMPTY problem keeps its last good resources, and so does the part of a file
   * that does not say which resource it is. Single writer.
   */
  update(files: ReadonlyMap<string, DecodeResult>, sourceProblems: readonly Problem[]): StoreUpdate;
  state(): StoreState;
}

/** An empty store, or one that goes on from `state`. */
export function createStore(state: StoreState = { lastGood: new Map(), resources: [] }): Store {
  return new LastGoodStore(state);
}

/** Identity of a resource: `kind/namespace/name`. */
type Key = string;

class LastGoodStore implements Store {
  #lastGood: ReadonlyMap<Key, Resource>;
  #resources: readonly Resource[];

  constructor({ lastGood, resources }: StoreState) {
    this.#lastGood = lastGood;
    this.#resources = resources;
  }

  state(): StoreState {
    return { lastGood: this.#lastGood, resources: this.#resources };
  }

  update(files: ReadonlyMap<string, DecodeResult>, sourceProblems: readonly Problem[]): StoreUpdate {
    const { good, duplicates } = withoutDuplicates(files);
    const kept = this.#keepLastGood(good, files, sourceProblems);
    const problems = [...sourceProblems];
    for (const result of files.values()) problems.push(...withKeptVersions(result.problems, kept));
    const resources = [...good.values(), ...kept.values()].toSorted((left, right) => left.order - right.order);
    const changed = !isDeepStrictEqual(resources, this.#resources);
    this.#lastGood = new Map([...good, ...kept]);
    // The same objects again let whoever compares by identity stop early.
    if (changed) this.#resources = resources;
    return { resources: this.#resources, problems: [...problems, ...duplicates], changed };
  }

  /** Earlier versions that stay in force because what replaces them cannot be read. */
  #keepLastGood(
    good: ReadonlyMap<Key, Resource>,
    files: ReadonlyMap<string, DecodeResult>,
    sourceProblems: readonly Problem[],
  ): ReadonlyMap<Key, Resource> {
    const rejected = new Set<Key>();
    const brokenPaths: string[] = [];
    for (const { code, position } of sourceProblems)
      if (code === "FILE_UNREADABLE" || code === "FILE_EMPTY") brokenPaths.push(resolve(position.file));
    for (const [path, result] of files) {
      for (const ref of result.rejected) rejected.add(formatRef(ref));
      if (!result.complete) brokenPaths.push(resolve(path));
    }
    const kept = new Map<Key, Resource>();
    for (const [key, resource] of this.#lastGood) {
      if (good.has(key)) continue;
      const isRejected =
        rejected.has(key) || (resource.origin !== undefined && rejected.has(formatRef(resource.origin)));
      const isBroken = isRejected || brokenPaths.some((path) => isAtOrBelow(resolve(resource.position.file), path));
      if (isBroken) kept.set(key, resource);
    }
    return kept;
  }
}

/** By identity, the first of each; a document that stands for several resources counts as one. */
function withoutDuplicates(files: ReadonlyMap<string, DecodeResult>): {
  readonly good: ReadonlyMap<Key, Resource>;
  readonly duplicates: readonly Problem[];
} {
  const good = new Map<Key, Resource>();
  const documents = new Map<Key, Position>();
  const duplicates: Problem[] = [];
  const told = new Set<Position>();
  for (const { resources } of files.values()) {
    for (const resource of resources) {
      const { origin } = resource;
      if (origin !== undefined) {
        const first = documents.get(formatRef(origin)) ?? origin.position;
        documents.set(formatRef(origin), first);
        if (!isDeepStrictEqual(first, origin.position)) {
          if (!told.has(origin.position)) duplicates.push(duplicateProblem(origin, first));
          told.add(origin.position);
          continue;
        }
      }
      const first = good.get(formatRef(resource));
      if (first === undefined) good.set(formatRef(resource), resource);
      else duplicates.push(duplicateProblem(resource, first.position));
    }
  }
  return { good, duplicates };
}

function isAtOrBelow(file: string, path: string): boolean {
  return file === path || file.startsWith(path.endsWith(sep) ? path : path + sep);
}

/** Says at the first error of each resource which version of it stays in force. */
function withKeptVersions(problems: readonly Problem[], kept: ReadonlyMap<Key, Resource>): readonly Problem[] {
  if (kept.size === 0) return problems;
  const versions = new Map<Key, Position>();
  for (const [key, { position, origin }] of kept) {
    versions.set(key, position);
    if (origin !== undefined) versions.set(formatRef(origin), origin.position);
  }
  const told = new Set<Key>();
  return problems.map((problem) => {
    const key = problem.resource === null ? "" : formatRef(problem.resource);
    const version = problem.severity === "error" ? versions.get(key) : undefined;
    if (version === undefined || told.has(key)) return problem;
    told.add(key);
    return {
      ...problem,
      message: `${problem.message} (until then the version of ${place(version)} stays in force)`,
    };
  });
}

function duplicateProblem(
  { kind, namespace, name, position }: ResourceRef & { readonly position: Position },
  first: Position,
): Problem {
  const ref: ResourceRef = { kind, namespace, name };
  const message = `the same resource stands at ${place(first)}, and that one is used; remove or rename one of them`;
  return { code: "DUPLICATE_RESOURCE", severity: "error", position, resource: ref, path: "", message };
}

function place({ file, line }: Position): string {
  return `${file}:${line}`;
}
