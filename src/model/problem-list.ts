// SPDX-License-Identifier: Apache-2.0
// Collects the problems of one build: each once, however many listeners and ports ran into it.

import type { Position, Problem, ProblemCode, ResourceRef, Severity } from "./problem.ts";
import type { Resource } from "./resources.ts";

export interface ProblemList {
  /** In the order of the resources, and of the lines within one. */
  sorted(): readonly Problem[];
  /** `position` is the field's own where it is known, else the resource's. */
  add(found: FoundProblem): void;
}

export interface FoundProblem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly resource: Resource;
  /** Default: where the resource stands. */
  readonly position?: Position;
  readonly path: string;
  readonly message: string;
}

interface Item {
  readonly order: number;
  readonly problem: Problem;
}

/** One list per build; nothing is shared between builds. */
export function createProblemList(): ProblemList {
  const items: Item[] = [];
  const seen = new Set<string>();
  return {
    sorted: () => items.toSorted(byPlace).map(({ problem }) => problem),
    add({ code, severity, resource, position, path, message }) {
      const key = JSON.stringify([code, resource.kind, resource.namespace, resource.name, path, message]);
      if (seen.has(key)) return;
      seen.add(key);
      const problem = {
        code,
        severity,
        position: position ?? resource.position,
        resource: refOf(resource),
        path,
        message,
      };
      items.push({ order: resource.order, problem });
    },
  };
}

function byPlace(left: Item, right: Item): number {
  const [from, to] = [left.problem.position, right.problem.position];
  return left.order - right.order || from.line - to.line || from.column - to.column;
}

/** The bare reference of a resource, without its content. */
export function refOf(resource: ResourceRef): ResourceRef {
  return { kind: resource.kind, namespace: resource.namespace, name: resource.name };
}
