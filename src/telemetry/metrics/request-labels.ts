// SPDX-License-Identifier: Apache-2.0
// The labels of Istio's standard HTTP metrics: names, order and values (istio_stats.cc). Prometheus takes an empty label
// for a missing one and Kiali drops series that miss any, so no value is ever empty but grpc_response_status.

import { unknownWorkload, type ServiceIdentity, type WorkloadIdentity } from "../../model/index.ts";
import type { RequestLabels } from "../port.ts";

/** In the order Istio emits them. */
export const requestLabelNames = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_workload",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_service",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_service_name",
  "destination_service_namespace",
  "destination_cluster",
  "request_protocol",
  "response_code",
  "grpc_response_status",
  "response_flags",
  "connection_security_policy",
] as const;

export type RequestLabelName = (typeof requestLabelNames)[number];
export type RequestLabelValues = Readonly<Record<RequestLabelName, string>>;

/** A host name comes from the request where no service is known; nothing legitimate is longer. */
const maxValueChars = 1024;

/** Everything beyond the limit of series, as `totals()` shows it. */
export const overflowLabels: RequestLabels = {
  reporter: "source",
  source: unknownWorkload,
  destination: unknownWorkload,
  service: { host: "overflow", name: "overflow", namespace: "unknown" },
  requestProtocol: "http",
  responseCode: 0,
  responseFlags: "-",
  connectionSecurityPolicy: "unknown",
};

/** As Prometheus sees it: a reporter and a code that no dashboard selects, so that it is no edge and no error. */
export function overflowLabelValues(): RequestLabelValues {
  const values = requestLabelValues(overflowLabels);
  return { ...values, reporter: "unknown", request_protocol: "unknown", response_code: "unknown" };
}

/** All labels, none empty, none too long. Equal results mean the same series. */
export function requestLabelValues(labels: RequestLabels): RequestLabelValues {
  const { source, destination, service } = labels;
  return {
    reporter: labels.reporter,
    source_workload: known(source.workload),
    source_canonical_service: known(source.canonicalService),
    source_canonical_revision: value(source.canonicalRevision, "latest"),
    source_workload_namespace: known(source.namespace),
    source_principal: known(source.principal),
    source_app: known(source.app),
    source_version: known(source.version),
    source_cluster: known(source.cluster),
    destination_workload: known(destination.workload),
    destination_workload_namespace: known(destination.namespace),
    destination_principal: known(destination.principal),
    destination_app: known(destination.app),
    destination_version: known(destination.version),
    destination_service: known(service.host),
    destination_canonical_service: known(destination.canonicalService),
    destination_canonical_revision: value(destination.canonicalRevision, "latest"),
    destination_service_name: known(service.name),
    destination_service_namespace: known(service.namespace),
    destination_cluster: known(destination.cluster),
    request_protocol: labels.requestProtocol,
    response_code: String(labels.responseCode),
    grpc_response_status: "",
    response_flags: value(labels.responseFlags, "-"),
    connection_security_policy: labels.connectionSecurityPolicy,
  };
}

/** One string per identity; equal content gives equal strings. No label value can contain the separator. */
export function identityKey(identity: WorkloadIdentity | ServiceIdentity): string {
  const values = "host" in identity ? serviceValues(identity) : workloadValues(identity);
  return values.map(known).join(separator);
}

export const separator = "\u0000";

function workloadValues(identity: WorkloadIdentity): string[] {
  return [
    identity.workload,
    identity.namespace,
    identity.principal,
    identity.app,
    identity.version,
    identity.cluster,
    identity.canonicalService,
    value(identity.canonicalRevision, "latest"),
  ];
}

function serviceValues(service: ServiceIdentity): string[] {
  return [service.host, service.name, service.namespace];
}

function known(text: string): string {
  return value(text, "unknown");
}

/** Lone surrogates would all become U+FFFD on the wire and so make two series equal there that differ here. */
function value(text: string, whenEmpty: string): string {
  return text === "" ? whenEmpty : text.slice(0, maxValueChars).toWellFormed().replaceAll(separator, "\ufffd");
}
