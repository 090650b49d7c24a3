// SPDX-License-Identifier: Apache-2.0
// The spans of an exchange as Istio's proxies make them: names, kinds, and Envoy's tags by Envoy's names. All values are
// texts, as Envoy's are, so that saved queries find them.

import type { ProxyIdentity } from "../../model/index.ts";
import type { SpanRecord } from "../port.ts";

export interface SpanSpec {
  readonly name: string;
  readonly kind: "server" | "client";
  readonly spanId: string;
  readonly parentSpanId: string | null;
  /** The parent is somebody else's span. */
  readonly hasRemoteParent: boolean;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Istio's tags about the proxy itself, equal for all of its spans. */
export function identityAttributes({ workload, clusterDomain }: ProxyIdentity): Readonly<Record<string, string>> {
  return {
    "istio.canonical_service": workload.canonicalService,
    "istio.canonical_revision": workload.canonicalRevision,
    "istio.namespace": workload.namespace,
    "istio.cluster_id": workload.cluster,
    "istio.mesh_id": clusterDomain,
  };
}

/** Istio's default, `<app>.<namespace>` (tracingServiceName APP_LABEL_AND_NAMESPACE). */
export function serviceNameOf({ workload }: ProxyIdentity): string {
  return `${workload.app}.${workload.namespace}`;
}

/** How many `spansOf` makes of it. */
export function spanCountOf({ serverSpanId, attempts }: SpanRecord): number {
  return serverSpanId !== null && attempts > 0 ? 2 : 1;
}

/**
 * One or two spans: at a gateway the exchange as served, and below it the call to the upstream when there was one (Envoy's
 * spawn_upstream_span); in the mesh the call alone, for the caller's workload is who makes it.
 */
export function spansOf(record: SpanRecord, ofProxy: Readonly<Record<string, string>>): readonly SpanSpec[] {
  const { operation: name, parentSpanId, serverSpanId, clientSpanId, attempts } = record;
  const failed = record.responseCode === 0 || record.responseCode >= 500;
  const whole = exchangeAttributes(record, failed, ofProxy);
  if (serverSpanId === null) {
    const attributes = { ...whole, ...retryAttributes(record) };
    return [{ name, kind: "client", spanId: clientSpanId, parentSpanId, hasRemoteParent: true, failed, attributes }];
  }
  const server: SpanSpec = {
    name,
    kind: "server",
    spanId: serverSpanId,
    parentSpanId,
    hasRemoteParent: true,
    failed,
    attributes: whole,
  };
  if (attempts === 0) return [server];
  const client: SpanSpec = {
    name,
    kind: "client",
    spanId: clientSpanId,
    parentSpanId: serverSpanId,
    hasRemoteParent: false,
    failed,
    attributes: upstreamAttributes(record, failed),
  };
  return [server, client];
}

function exchangeAttributes(
  record: SpanRecord,
  failed: boolean,
  ofProxy: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...outcomeAttributes(record, failed),
    "guid:x-request-id": record.requestId,
    "http.url": record.url,
    "http.method": record.method,
    // Nobody tells: naru reads no x-envoy-downstream-service-cluster.
    downstream_cluster: "-",
    user_agent: record.userAgent ?? "-",
    "peer.address": record.downstreamAddress,
    request_size: String(record.requestBytes),
    response_size: String(record.responseBytes),
    ...ofProxy,
  };
}

function upstreamAttributes(record: SpanRecord, failed: boolean): Record<string, string> {
  const attributes = { ...outcomeAttributes(record, failed), ...retryAttributes(record) };
  const { upstreamAddress } = record;
  return upstreamAddress === null
    ? attributes
    : { ...attributes, upstream_address: upstreamAddress, "peer.address": upstreamAddress };
}

function outcomeAttributes(record: SpanRecord, failed: boolean): Record<string, string> {
  const { upstreamCluster } = record;
  return {
    component: "proxy",
    "http.protocol": record.protocol,
    "http.status_code": String(record.responseCode),
    response_flags: record.responseFlags,
    ...(upstreamCluster === null
      ? {}
      : { upstream_cluster: upstreamCluster, "upstream_cluster.name": upstreamCluster }),
    ...(failed ? { error: "true" } : {}),
  };
}

function retryAttributes({ retries }: SpanRecord): Record<string, string> {
  return retries === 0 ? {} : { "retry.count": String(retries) };
}
