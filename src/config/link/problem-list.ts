// SPDX-License-Identifier: Apache-2.0
// Collects the problems of one build: each once, however many listeners and ports ran into it.

import type { Position, Problem, ProblemCode, Resource, ResourceRef, Severity } from "../../model/index.ts";

export interface ProblemList {
  readonly items: readonly Problem[];
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

/** One list per build; nothing is shared between builds. */
export function createProblemList(): ProblemList {
  const items: Problem[] = [];
  const seen = new Set<string>();
  return {
    items,
    add({ code, severity, resource, position, path, message }) {
      const key = JSON.stringify([code, resource.kind, resource.namespace, resource.name, path, message]);
      if (seen.has(key)) return;
      seen.add(key);
      items.push({
        code,
        severity,
        position: position ?? resource.position,
        resource: refOf(resource),
        path,
        message,
      });
    },
  };
}

/** The bare reference of a resource, without its content. */
export function refOf(resource: ResourceRef): ResourceRef {
  return { kind: resource.kind, namespace: resource.namespace, name: resource.name };
}
