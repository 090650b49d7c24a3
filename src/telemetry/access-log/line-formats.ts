// SPDX-License-Identifier: Apache-2.0
// One finished exchange as one line: Envoy's default text format as Istio sets it, and Istio's JSON. Kiali and many log
// pipelines parse both by position and key, so nothing may be added in the middle. Printable ASCII with a line break.

import type { AccessLogRecord } from "../port.ts";
import { bareValue, jsonValue, quotedValue } from "./escape.ts";

/** Formats lines; remembers of the last one what the next is likely to share. */
export type LineFormat = (record: AccessLogRecord) => string;

/** `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS …`, 23 fields; `-` for what is not known. */
export function createTextFormat(): LineFormat {
  const isoTime = createIsoTime();
  const often = {
    method: remembering(bareValue),
    protocol: remembering(bareValue),
    responseFlags: remembering(bareValue),
    responseCodeDetails: remembering(bareValue),
    connectionTerminationDetails: remembering(bareValue),
    upstreamTransportFailureReason: remembering(quotedValue),
    authority: remembering(quotedValue),
    upstreamHost: remembering(quotedValue),
    upstreamCluster: remembering(bareValue),
    downstreamLocalAddress: remembering(bareValue),
    requestedServerName: remembering(bareValue),
    routeName: remembering(bareValue),
  };
  return (record) => {
    const serviceTimeMs = record.upstreamServiceTimeMs;
    return (
      `[${isoTime(record.startWallMs)}] ` +
      `"${often.method(record.method)} ${bareValue(record.path)} ${often.protocol(record.protocol)}" ` +
      `${record.responseCode} ${often.responseFlags(record.responseFlags)} ${often.responseCodeDetails(record.responseCodeDetails)} ` +
      `${often.connectionTerminationDetails(record.connectionTerminationDetails)} "${often.upstreamTransportFailureReason(record.upstreamTransportFailureReason)}" ` +
      `${record.bytesReceived} ${record.bytesSent} ${Math.trunc(record.durationMs)} ` +
      `${serviceTimeMs === null ? "-" : Math.trunc(serviceTimeMs)} ` +
      `"${quotedValue(record.xForwardedFor)}" "${quotedValue(record.userAgent)}" ` +
      `"${quotedValue(record.requestId)}" "${often.authority(record.authority)}" "${often.upstreamHost(record.upstreamHost)}" ` +
      `${often.upstreamCluster(record.upstreamCluster)} ${bareValue(record.upstreamLocalAddress)} ` +
      `${often.downstreamLocalAddress(record.downstreamLocalAddress)} ${bareValue(record.downstreamRemoteAddress)} ` +
      `${often.requestedServerName(record.requestedServerName)} ${often.routeName(record.routeName)}\n`
    );
  };
}

/**
 * Numbers stay numbers and what is not known is null. `upstream_service_time` is a string: it is a response header to
 * Envoy.
 */
export function createJsonFormat(): LineFormat {
  const isoTime = createIsoTime();
  const often = {
    method: remembering(jsonValue),
    protocol: remembering(jsonValue),
    responseFlags: remembering(jsonValue),
    responseCodeDetails: remembering(jsonValue),
    connectionTerminationDetails: remembering(jsonValue),
    upstreamTransportFailureReason: remembering(jsonValue),
    authority: remembering(jsonValue),
    upstreamHost: remembering(jsonValue),
    upstreamCluster: remembering(jsonValue),
    downstreamLocalAddress: remembering(jsonValue),
    requestedServerName: remembering(jsonValue),
    routeName: remembering(jsonValue),
  };
  return (record) => {
    const serviceTimeMs = record.upstreamServiceTimeMs;
    return (
      `{"start_time":"${isoTime(record.startWallMs)}","route_name":${often.routeName(record.routeName)},` +
      `"method":${often.method(record.method)},"path":${jsonValue(record.path)},` +
      `"protocol":${often.protocol(record.protocol)},"response_code":${record.responseCode},` +
      `"response_flags":${often.responseFlags(record.responseFlags)},` +
      `"response_code_details":${often.responseCodeDetails(record.responseCodeDetails)},` +
      `"connection_termination_details":${often.connectionTerminationDetails(record.connectionTerminationDetails)},` +
      `"bytes_received":${record.bytesReceived},"bytes_sent":${record.bytesSent},` +
      `"duration":${Math.trunc(record.durationMs)},` +
      `"upstream_service_time":${serviceTimeMs === null ? "null" : `"${Math.trunc(serviceTimeMs)}"`},` +
      `"x_forwarded_for":${jsonValue(record.xForwardedFor)},"user_agent":${jsonValue(record.userAgent)},` +
      `"request_id":${jsonValue(record.requestId)},"authority":${often.authority(record.authority)},` +
      `"upstream_host":${often.upstreamHost(record.upstreamHost)},"upstream_cluster":${often.upstreamCluster(record.upstreamCluster)},` +
      `"upstream_local_address":${jsonValue(record.upstreamLocalAddress)},` +
      `"downstream_local_address":${often.downstreamLocalAddress(record.downstreamLocalAddress)},` +
      `"downstream_remote_address":${jsonValue(record.downstreamRemoteAddress)},` +
      `"requested_server_name":${often.requestedServerName(record.requestedServerName)},` +
      `"upstream_transport_failure_reason":${often.upstreamTransportFailureReason(record.upstreamTransportFailureReason)}}\n`
    );
  };
}

/** HOT: comparing with the last value is a pointer comparison most of the time; checking it again costs 20 to 80 ns. */
function remembering(escape: (text: string | null) => string): (text: string | null) => string {
  let last: string | null = null;
  let escaped = escape(null);
  return (text) => {
    if (text !== last) {
      escaped = escape(text);
      last = text;
    }
    return escaped;
  };
}

/** ISO 8601 in UTC with milliseconds; toISOString runs once a second instead of once a line. */
function createIsoTime(): (wallMs: number) => string {
  let second = Number.NaN;
  let text = "";
  return (wallMs) => {
    const wholeMs = Math.trunc(wallMs);
    const thisSecond = Math.floor(wholeMs / 1000);
    if (thisSecond !== second) {
      second = thisSecond;
      // `2026-01-02T03:04:05.`
      text = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const ms = wholeMs - second * 1000;
    return `${text}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
  };
}
