// SPDX-License-Identifier: Apache-2.0
// MetalLB's resources refer to each other by bare names, so these are one set over all namespaces.

import { formatRef, type ProblemList, type Resource } from "../../model/index.ts";

/** Without those whose name an older one has, which are reported. */
export function withOwnName<R extends Resource>(resources: readonly R[], problems: ProblemList): readonly R[] {
  const byName = new Map<string, R>();
  for (const resource of resources) {
    const older = byName.get(resource.name);
    if (older === undefined) byName.set(resource.name, resource);
    else {
      problems.add({
        code: "CONFLICT",
        severity: "error",
        resource,
        path: "metadata.name",
        message: `${where(older)} has this name, and others refer to it by name only; rename one of them`,
      });
    }
  }
  return [...byName.values()];
}

/** `kind/namespace/name (file:line)`. */
export function where(resource: Resource): string {
  return `${formatRef(resource)} (${resource.position.file}:${resource.position.line})`;
}
