// SPDX-License-Identifier: Apache-2.0
// The router's view of a request, so that matching depends on no codec.

/**
 * What a match asks of a request. Implemented by the data plane over received bytes; each call may build a string, so
 * routes ask only for what their conditions need.
 */
export interface RequestView {
  /** As received; methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** `http` or `https`. */
  readonly scheme: string;
  /** As received, port included. */
  authority(): string;
  /** As the upstream will get it (`routedHeader`); null when absent. Several fields of one name are joined with "," as Envoy does before it matches. */
  header(lowerCaseName: string): string | null;
  /** Raw, without "?"; "" when there is none. */
  query(): string;
}
