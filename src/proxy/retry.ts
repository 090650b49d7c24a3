// SPDX-License-Identifier: Apache-2.0
// When an attempt may be followed by another one: the route's policy (Envoy's retry-on conditions) and the one retry
// every proxy owes its clients, when a kept-alive connection turns out to be dead (RFC 9110 §9.2.2, RFC 9112 §9.3.1).

import { errorTable, type ErrorCode, type Random } from "../core/index.ts";
import type { RetryOn, RetryPolicy } from "../model/index.ts";

const onConnectFailure = 1;
const onReset = 2;
const on5xx = 4;
const onGatewayError = 8;
const onRetriable4xx = 16;
const onStatusCodes = 32;
const onRateLimited = 64;

/** gRPC conditions and refused-stream need HTTP/2 upstreams; over HTTP/1.1 they never hold. */
const bits: Readonly<Record<RetryOn, number>> = {
  "connect-failure": onConnectFailure,
  "reset-before-request": onConnectFailure,
  "envoy-ratelimited": onRateLimited,
  "gateway-error": onGatewayError,
  "retriable-4xx": onRetriable4xx,
  "retriable-status-codes": onStatusCodes,
  reset: onReset,
  "5xx": on5xx,
  "refused-stream": 0,
  cancelled: 0,
  "deadline-exceeded": 0,
  internal: 0,
  "resource-exhausted": 0,
  unavailable: 0,
};

/** A RetryPolicy made ready for the hot path. */
export interface RetryRules {
  readonly attempts: number;
  readonly perTryTimeoutMs: number;
  readonly backoffMs: number;
  readonly mask: number;
  readonly statusCodes: readonly number[];
  /** The policy may send a request again after bytes of it were sent, so its body must be kept. */
  readonly keepsBody: boolean;
}

export function compileRetryRules(policy: RetryPolicy): RetryRules {
  const mask = policy.attempts === 0 ? 0 : policy.on.reduce((sum, condition) => sum | bits[condition], 0);
  return {
    attempts: policy.attempts,
    perTryTimeoutMs: policy.perTryTimeoutMs,
    backoffMs: policy.backoffMs,
    mask,
    statusCodes: policy.statusCodes,
    keepsBody: (mask & ~onConnectFailure) !== 0,
  };
}

/** Whether the policy asks for another attempt after a failure without a response. */
export function retriesFailure(rules: RetryRules, code: ErrorCode): boolean {
  switch (errorTable[code].retry) {
    case "connect":
      return (rules.mask & (onConnectFailure | on5xx | onGatewayError)) !== 0;
    case "if-idempotent":
      // Whoever configures `reset` or `5xx` has decided that his requests may be sent twice (Envoy does not look at
      // the method either).
      return (rules.mask & (onReset | on5xx | onGatewayError)) !== 0;
    case "never":
      return false;
  }
}

/** Whether the policy asks for another attempt after this response. */
export function retriesStatus(rules: RetryRules, status: number): boolean {
  const mask = rules.mask;
  if (mask === 0) return false;
  if ((mask & on5xx) !== 0 && status >= 500) return true;
  if ((mask & onGatewayError) !== 0 && status >= 502 && status <= 504) return true;
  if ((mask & onRetriable4xx) !== 0 && status === 409) return true;
  return (mask & onStatusCodes) !== 0 && rules.statusCodes.includes(status);
}

/** Methods that may be repeated when nobody knows whether they were acted on (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case "GET":
    case "HEAD":
    case "OPTIONS":
    case "TRACE":
    case "PUT":
    case "DELETE":
      return true;
    default:
      return false;
  }
}

/** Wait before retry `retry` (1-based): uniform in [0, (2^N − 1) × base), at most 10 × base (Envoy). */
export function backoffDelayMs(rules: RetryRules, retry: number, random: Random): number {
  const ceilingMs = Math.min((2 ** retry - 1) * rules.backoffMs, 10 * rules.backoffMs);
  return random() * ceilingMs;
}
