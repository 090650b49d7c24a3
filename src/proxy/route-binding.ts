// SPDX-License-Identifier: Apache-2.0
// What a route does, bound to the running clusters when a snapshot is applied, so that a request only follows
// references.

import type { Random } from "../core/index.ts";
import type { RetryPolicy, RouteAction } from "../model/index.ts";
import type { Cluster } from "./cluster.ts";
import { compileRetryRules, type RetryRules } from "./retry.ts";

export type BoundAction = BoundForward | BoundReply;

export interface BoundForward {
  readonly kind: "forward";
  readonly targets: readonly BoundTarget[];
  readonly totalWeight: number;
  readonly timeoutMs: number;
  readonly retry: RetryRules;
}

interface BoundTarget {
  /** null = the configuration names a cluster that does not exist. */
  readonly cluster: Cluster | null;
  readonly name: string;
  readonly weight: number;
}

export interface BoundReply {
  readonly kind: "reply";
  readonly status: number;
  readonly body: string;
}

/** `rules`: what was made of the policies of the same snapshot; most routes share theirs. */
export function bindAction(
  action: RouteAction,
  clusters: ReadonlyMap<string, Cluster>,
  rules: Map<RetryPolicy, RetryRules>,
): BoundAction {
  if (action.kind === "reply") return action;
  return {
    kind: "forward",
    targets: action.destinations.map((destination) => ({
      cluster: clusters.get(destination.cluster) ?? null,
      name: destination.cluster,
      weight: destination.weight,
    })),
    totalWeight: action.destinations.reduce((sum, destination) => sum + destination.weight, 0),
    timeoutMs: action.timeoutMs,
    retry: rules.getOrInsertComputed(action.retries, compileRetryRules),
  };
}

/** One of the targets, with probability weight / total. */
export function selectTarget(action: BoundForward, random: Random): BoundTarget {
  const targets = action.targets;
  if (targets.length === 1) return targets[0]!;
  let left = random() * action.totalWeight;
  for (const target of targets) {
    left -= target.weight;
    if (left < 0) return target;
  }
  return targets[targets.length - 1]!;
}
