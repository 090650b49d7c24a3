// SPDX-License-Identifier: Apache-2.0
// What several data planes say about themselves, as if it were one. Pure.

import type { ClusterStatus, EndpointStatus, ListenerStatus, Sample } from "../../telemetry/port.ts";

/** Sums values of equal name and labels, in order of first appearance. */
export function mergeSamples(samples: readonly Sample[]): readonly Sample[] {
  const keyOf = ({ name, labels }: Sample) => JSON.stringify([name, labels]);
  return mergeBy(samples, keyOf, (left, right) => ({ ...left, value: left.value + right.value }));
}

/** One per name; it has an error when it has one anywhere. */
export function mergeListeners(listeners: readonly ListenerStatus[]): readonly ListenerStatus[] {
  return mergeBy(
    listeners,
    ({ name }) => name,
    (left, right) => ({
      // Where it could not be bound, it has no address.
      ...(left.error === null ? left : right),
      connectionsActive: left.connectionsActive + right.connectionsActive,
      error: left.error ?? right.error,
    }),
  );
}

/** One per name, with all endpoints any of them has. */
export function mergeClusters(clusters: readonly ClusterStatus[]): readonly ClusterStatus[] {
  return mergeBy(
    clusters,
    ({ name }) => name,
    (left, right) => ({
      ...left,
      connectionsActive: left.connectionsActive + right.connectionsActive,
      requestsActive: left.requestsActive + right.requestsActive,
      requestsPending: left.requestsPending + right.requestsPending,
      endpoints: mergeBy([...left.endpoints, ...right.endpoints], ({ address }) => address, mergeEndpoint),
    }),
  );
}

function mergeEndpoint(left: EndpointStatus, right: EndpointStatus): EndpointStatus {
  return {
    ...left,
    connectionsActive: left.connectionsActive + right.connectionsActive,
    connectionsTotal: left.connectionsTotal + right.connectionsTotal,
    connectionsFailed: left.connectionsFailed + right.connectionsFailed,
    requestsActive: left.requestsActive + right.requestsActive,
    requestsTotal: left.requestsTotal + right.requestsTotal,
    requestsSucceeded: left.requestsSucceeded + right.requestsSucceeded,
    requestsFailed: left.requestsFailed + right.requestsFailed,
    requestsTimedOut: left.requestsTimedOut + right.requestsTimedOut,
  };
}

function mergeBy<T>(items: readonly T[], keyOf: (item: T) => string, merge: (left: T, right: T) => T): readonly T[] {
  const merged = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    const known = merged.get(key);
    merged.set(key, known === undefined ? item : merge(known, item));
  }
  return [...merged.values()];
}
