// SPDX-License-Identifier: Apache-2.0
// Retry policies: Istio's default, and what a rule says in its place.

import { defaultRetries, type RetryPolicy, type RetrySpec } from "../../model/index.ts";

const defaultPolicy: RetryPolicy = { ...defaultRetries, perTryTimeoutMs: 0, statusCodes: [] };
const noRetries: RetryPolicy = { ...defaultPolicy, attempts: 0, on: [] };

/** The policy of a rule, whose own timeout is `timeoutMs` (0 = none). */
export function compileRetries(spec: RetrySpec | null, timeoutMs: number): RetryPolicy {
  if (spec === null) return defaultPolicy;
  // A try may last as long as the rule when nothing shorter is asked for: the rule's timeout alone ends it (Envoy).
  const ownTimeoutMs = timeoutMs > 0 && spec.perTryTimeoutMs >= timeoutMs ? 0 : spec.perTryTimeoutMs;
  if (spec.attempts === 0) return ownTimeoutMs === 0 ? noRetries : { ...noRetries, perTryTimeoutMs: ownTimeoutMs };
  const on = new Set(spec.retryOn);
  if (spec.retriableStatusCodes.length > 0) on.add("retriable-status-codes");
  return {
    attempts: spec.attempts,
    perTryTimeoutMs: ownTimeoutMs,
    on: [...on],
    statusCodes: spec.retriableStatusCodes,
    backoffMs: spec.backoffMs,
  };
}
