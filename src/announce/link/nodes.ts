// SPDX-License-Identifier: Apache-2.0
// Nodes, and which resources meet on one.

import { isDeepStrictEqual } from "node:util";

import type { LabelSelector, Node } from "../../model/index.ts";
import { matchesAny } from "../selectors.ts";
import type { NodeInfo } from "./types.ts";

const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

export function nodeInfo({ name, labels, ready, networkUnavailable, addresses }: Node): NodeInfo {
  return { name, labels, ready, networkUnavailable, addresses, excluded: Object.hasOwn(labels, excludeLabel) };
}

interface OnNodes {
  readonly nodeSelectors: readonly LabelSelector[];
}

/** Whether both hold on some node. Where no node is described, only if that is so whatever nodes there are. */
export function shareNode(left: OnNodes, right: OnNodes, nodes: readonly NodeInfo[]): boolean {
  if (nodes.length > 0) {
    return nodes.some(
      ({ labels }) => matchesAny(left.nodeSelectors, labels) && matchesAny(right.nodeSelectors, labels),
    );
  }
  const isEverywhere = left.nodeSelectors.length === 0 || right.nodeSelectors.length === 0;
  return isEverywhere || isDeepStrictEqual(left.nodeSelectors, right.nodeSelectors);
}
