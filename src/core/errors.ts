// SPDX-License-Identifier: Apache-2.0
// The one error class and the one table behind it. Every failure of an exchange is a row here: the HTTP status, Envoy's
// response flag and response-code detail, and the text a client may see all come from the row, never from the other
// side's words. Sources: Envoy's ResponseFlags and response_code_details, Istio's defaults.

/** Who caused a failure. */
export type Origin = "downstream" | "upstream" | "internal" | "config";

/**
 * Whether trying again on another connection is safe.
 * `connect`: nothing was sent, always safe. `if-idempotent`: bytes were sent, safe only for idempotent methods with a
 * replayable body (RFC 9110 §9.2.2). `never`: a retry cannot help or must not happen.
 */
export type RetryVerdict = "connect" | "if-idempotent" | "never";

export interface ErrorSpec {
  readonly origin: Origin;
  readonly retry: RetryVerdict;
  /** HTTP status of the reply; 0 when nobody is left to read one. */
  readonly status: number;
  /** gRPC status code of the reply (google.rpc.Code). */
  readonly grpc: number;
  /** Envoy's short response flag, `-` for none. */
  readonly flag: string;
  /** Envoy's RESPONSE_CODE_DETAILS. */
  readonly details: string;
  /** Body of the reply, the only text a client sees. */
  readonly text: string;
  /** Close the downstream connection after the reply: its framing can no longer be trusted. */
  readonly close: boolean;
}

const upstreamReset = "upstream connect error or disconnect/reset before headers. reset reason: ";

/** One row per failure of an exchange. Codes are stable; docs/errors.md lists them and a test compares both ways. */
// WHY: a table is read by its rows.
// oxfmt-ignore
export const errorTable = {
  // Downstream sent something that must not be forwarded (RFC 9112 §2.2, §3, §5, §6, §7).
  BAD_REQUEST: row("downstream", "never", 400, 3, "DPE", "http1.codec_error", "Bad Request", true),
  BAD_PATH: row("downstream", "never", 400, 3, "-", "path_normalization_failed", "", false),
  UNDERSCORE_IN_NAME: row("downstream", "never", 400, 3, "DPE", "http1.unexpected_underscore", "Bad Request", true),
  MISSING_HOST: row("downstream", "never", 400, 3, "-", "missing_host_header", "Bad Request", true),
  VERSION_NOT_SUPPORTED: row("downstream", "never", 505, 12, "DPE", "http1.codec_error", "HTTP Version Not Supported", true),
  TRANSFER_CODING_UNSUPPORTED: row("downstream", "never", 501, 12, "DPE", "http1.codec_error", "Not Implemented", true),
  EXPECTATION_FAILED: row("downstream", "never", 417, 3, "-", "expectation_failed", "Expectation Failed", true),
  URI_TOO_LONG: row("downstream", "never", 414, 3, "DPE", "uri_too_long", "URI Too Long", true),
  REQUEST_HEADERS_TOO_LARGE: row("downstream", "never", 431, 8, "DPE", "request_headers_too_large", "Request Header Fields Too Large", true),
  METHOD_NOT_SERVED: row("downstream", "never", 501, 12, "-", "method_not_served", "Not Implemented", true),
  REQUEST_HEADER_TIMEOUT: row("downstream", "never", 408, 4, "-", "request_header_timeout", "Request Timeout", true),
  REQUEST_TIMEOUT: row("downstream", "never", 408, 4, "-", "request_overall_timeout", "request timeout", true),
  STREAM_IDLE_TIMEOUT: row("downstream", "never", 408, 4, "SI", "stream_idle_timeout", "stream timeout", true),
  // The request is complete, so it is not the client who is late (Envoy too answers 504 then, and the connection goes on).
  STREAM_IDLE_UPSTREAM: row("upstream", "never", 504, 4, "SI", "stream_idle_timeout", "stream timeout", false),
  DOWNSTREAM_DISCONNECT: row("downstream", "never", 0, 1, "DC", "downstream_remote_disconnect", "", true),

  // Routing and policy.
  NO_ROUTE: row("config", "never", 404, 12, "NR", "route_not_found", "", false),
  NO_CLUSTER: row("config", "never", 503, 14, "NC", "cluster_not_found", "", false),
  NO_HEALTHY_UPSTREAM: row("upstream", "never", 503, 14, "UH", "no_healthy_upstream", "no healthy upstream", false),
  UPSTREAM_OVERFLOW: row("internal", "never", 503, 14, "UO", "upstream_reset_before_response_started{overflow}", `${upstreamReset}overflow`, false),
  OVERLOAD: row("internal", "never", 503, 14, "OM", "overload", "overload", true),

  // Upstream failed before a response head.
  CONNECT_FAILED: row("upstream", "connect", 503, 14, "UF", "upstream_reset_before_response_started{connection_failure}", `${upstreamReset}connection failure`, false),
  CONNECT_TIMEOUT: row("upstream", "connect", 503, 14, "UF", "upstream_reset_before_response_started{connection_timeout}", `${upstreamReset}connection timeout`, false),
  DNS_FAILED: row("upstream", "connect", 503, 14, "DF", "dns_resolution_failure", "no healthy upstream", false),
  UPSTREAM_DISCONNECT: row("upstream", "if-idempotent", 503, 14, "UC", "upstream_reset_before_response_started{connection_termination}", `${upstreamReset}connection termination`, false),
  UPSTREAM_PROTOCOL_ERROR: row("upstream", "if-idempotent", 502, 13, "UPE", "upstream_reset_before_response_started{protocol_error}", `${upstreamReset}protocol error`, false),
  UPSTREAM_TIMEOUT: row("upstream", "never", 504, 4, "UT", "upstream_response_timeout", "upstream request timeout", false),
  PER_TRY_TIMEOUT: row("upstream", "if-idempotent", 504, 4, "UT", "upstream_per_try_timeout", "upstream request timeout", false),

  // Upstream failed after its response head went out: the only honest signal left is to break the connection.
  UPSTREAM_TRUNCATED: row("upstream", "never", 0, 13, "UC", "upstream_reset_after_response_started{connection_termination}", "", true),
  UPSTREAM_BODY_INVALID: row("upstream", "never", 0, 13, "UPE", "upstream_reset_after_response_started{protocol_error}", "", true),

  // Ours.
  DRAIN_DEADLINE: row("internal", "never", 503, 14, "LR", "downstream_local_disconnect(drain)", "", true),
  BUG: row("internal", "never", 500, 13, "-", "internal_error", "Internal Server Error", true),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof errorTable;

/** Thrown or passed when I/O failed or naru has a bug; expected outcomes (no route, denied, shed) are values instead. */
export class NaruError extends Error {
  readonly code: ErrorCode;
  override readonly name = "NaruError";

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get spec(): ErrorSpec {
    return errorTable[this.code];
  }
}

/** The message of anything that was thrown; for logs, never for a client. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Node's `code` of a system error (`ECONNREFUSED`), or "" when it has none. */
export function systemCodeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

function row(
  origin: Origin,
  retry: RetryVerdict,
  status: number,
  grpc: number,
  flag: string,
  details: string,
  text: string,
  close: boolean,
): ErrorSpec {
  return { origin, retry, status, grpc, flag, details, text, close };
}
