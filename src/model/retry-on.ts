// SPDX-License-Identifier: Apache-2.0
// Envoy's words for what may be tried again, and what Istio does when nobody says anything.

/**
 * Conditions (Envoy router filter, x-envoy-retry-on and x-envoy-retry-grpc-on). Those of gRPC and refused-stream are
 * kept by name and act once HTTP/2 is served.
 */
export const retryOnConditions = [
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
] as const;

export type RetryOn = (typeof retryOnConditions)[number];

/**
 * Istio's default policy (pilot/pkg/networking/core/route/retry). 503 left the list with istio/istio PR #52111, because
 * a request that may have run must not run twice unasked.
 */
export const defaultRetries: {
  readonly attempts: number;
  readonly on: readonly RetryOn[];
  /** Base interval of the backoff. */
  readonly backoffMs: number;
} = {
  attempts: 2,
  on: ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"],
  backoffMs: 25,
};
