// SPDX-License-Identifier: Apache-2.0
// Retry policies: Istio's default, and what a rule says in its place.

import type { RetryOn, RetryPolicy, RetrySpec } from "../../model/index.ts";

/**
 * Istio's policy when nobody says anything (pilot/pkg/networking/core/route/retry): two retries, no status codes.
 * 503 left the list with istio/istio PR #52111, because a request that may have run must not run twice unasked.
 */
const defaultPolicy: RetryPolicy = {
  attempts: 2,
  perTryTimeoutMs: 0,
  on: ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"],
  statusCodes: [],
  backoffMs: 25,
};

const noRetries: RetryPolicy = { ...defaultPolicy, attempts: 0, on: [] };

const knownConditions: ReadonlySet<string> = new Set<RetryOn>([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "retriable-4xx",
  "retriable-status-codes",
  "refused-stream",
  "envoy-ratelimited",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

/** The policy of a rule, whose own timeout is `timeoutMs` (0 = none). */
export function compileRetries(spec: RetrySpec | null, timeoutMs: number): RetryPolicy {
  if (spec === null) return defaultPolicy;
  // A try may last as long as the rule when nothing shorter is asked for: the rule's timeout alone ends it (Envoy).
  const ownTimeoutMs = timeoutMs > 0 && spec.perTryTimeoutMs >= timeoutMs ? 0 : spec.perTryTimeoutMs;
  if (spec.attempts === 0) return ownTimeoutMs === 0 ? noRetries : { ...noRetries, perTryTimeoutMs: ownTimeoutMs };
  const on = new Set(spec.retryOn.filter(isRetryOn));
  if (spec.retriableStatusCodes.length > 0) on.add("retriable-status-codes");
  return {
    attempts: spec.attempts,
    perTryTimeoutMs: ownTimeoutMs,
    on: [...on],
    statusCodes: spec.retriableStatusCodes,
    backoffMs: spec.backoffMs,
  };
}

/** Conditions we cannot meet (retriable-headers, HTTP/3) never apply; the decoder has reported them. */
function isRetryOn(token: string): token is RetryOn {
  return knownConditions.has(token);
}
