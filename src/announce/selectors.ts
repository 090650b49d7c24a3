// SPDX-License-Identifier: Apache-2.0
// Kubernetes label selectors, as metav1.LabelSelector defines them, and MetalLB's choice of pools by them.

import type { BGPAdvertisement, IPAddressPool, LabelExpression, Labels, LabelSelector } from "../model/index.ts";

/** All parts must hold; the empty selector matches everything. */
export function matchesSelector({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((expression) => matchesExpression(expression, labels))
  );
}

/** Any of them; an empty list stands for no condition. */
export function matchesAny(selectors: readonly LabelSelector[], labels: Labels): boolean {
  return selectors.length === 0 || selectors.some((selector) => matchesSelector(selector, labels));
}

/** By name or by label; an advertisement that says neither is for all pools. */
export function selectsPool(
  { pools, poolSelectors }: Pick<BGPAdvertisement, "pools" | "poolSelectors">,
  { name, labels }: IPAddressPool,
): boolean {
  if (pools.length === 0 && poolSelectors.length === 0) return true;
  return pools.includes(name) || poolSelectors.some((selector) => matchesSelector(selector, labels));
}

function matchesExpression({ key, operator, values }: LabelExpression, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      // An absent label is not in any set (Kubernetes).
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
