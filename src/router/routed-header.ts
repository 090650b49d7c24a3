// SPDX-License-Identifier: Apache-2.0
// Which value of a header routes are chosen by: the one that the upstream will see, as the data plane writes it
// (src/proxy/forwarding.ts), so that no client chooses his route by what is not passed on of him. The data plane matches
// with it and `naru routes` explains with it.

import type { ListenerSpec } from "../model/index.ts";

/** What is known of a request beside what its route asks for. Each call may build a string. */
export interface ReceivedRequest {
  readonly scheme: string;
  /** The address of whoever connected. */
  readonly peerAddress: string;
  /** That naru made for this request. */
  requestIdText(): string;
  /** As received: null when absent, several lines of one name joined with ",". */
  receivedHeader(lowerCaseName: string): string | null;
}

/** Headers that there are in any case, at the edge. */
export const madeHeaders: readonly string[] = ["x-forwarded-for", "x-forwarded-proto", "x-request-id"];

/**
 * Null when the upstream will not get the header. At the edge nobody vouches for what a client says about himself: as
 * Envoy with `use_remote_address`. In the mesh it is the workload's word, and only what is missing is made.
 */
export function routedHeader(
  role: ListenerSpec["role"],
  lowerCaseName: string,
  request: ReceivedRequest,
): string | null {
  const atEdge = role === "gateway";
  switch (lowerCaseName) {
    case "x-forwarded-client-cert":
      return null;
    case "x-forwarded-proto":
      return (atEdge ? null : request.receivedHeader(lowerCaseName)) ?? request.scheme;
    case "x-request-id":
      return (atEdge ? null : request.receivedHeader(lowerCaseName)) ?? request.requestIdText();
    case "x-forwarded-for":
      return atEdge ? withPeer(request) : request.receivedHeader(lowerCaseName);
    default:
      return atEdge && lowerCaseName.startsWith("x-envoy-") ? null : request.receivedHeader(lowerCaseName);
  }
}

function withPeer(request: ReceivedRequest): string {
  const list = request.receivedHeader("x-forwarded-for");
  return list === null ? request.peerAddress : `${list},${request.peerAddress}`;
}
