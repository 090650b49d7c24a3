// SPDX-License-Identifier: Apache-2.0
// One finished exchange as one line: Envoy's default text format as Istio sets it, and Istio's JSON. Kiali and many log
// pipelines parse both by position and key, so nothing may be added in the middle. Printable ASCII with a line break.

import type { Buffer } from "node:buffer";

import type { AccessLogRecord, ByteRange } from "../port.ts";
import { ascii, bareStyle, jsonStyle, maxEscapeBytes, quotedStyle } from "./escape.ts";
import { IsoTime } from "./iso-time.ts";
import {
  mostIntegerBytes,
  RememberedRun,
  RememberedText,
  writeInteger,
  writeRange,
  writeRaw,
  writeRemembered,
  writeRun,
} from "./line-values.ts";

const lineFeed = 0x0a;
const space = 0x20;
const quote = 0x22;
const nothing = ascii("");
const spaceBefore = ascii(" ");
/** What is left of a line without its values: keys, quotes, `null`s and numbers. */
const mostConstantBytes = 1024 + 5 * mostIntegerBytes;

/**
 * Writes one line to `out` at `at`, where there is room for `mostLineBytes`, and returns its end. Remembers of the last
 * line what the next is likely to share.
 */
export type LineFormat = (record: AccessLogRecord, out: Buffer, at: number) => number;

/** Of its line in any format, if no value were cut. */
export function mostLineBytes(record: AccessLogRecord): number {
  const chars =
    charsOf(record.method) +
    bytesOf(record.path) +
    charsOf(record.protocol) +
    charsOf(record.responseFlags) +
    charsOf(record.responseCodeDetails) +
    charsOf(record.connectionTerminationDetails) +
    charsOf(record.upstreamTransportFailureReason) +
    bytesOf(record.xForwardedFor) +
    bytesOf(record.userAgent) +
    bytesOf(record.requestId) +
    bytesOf(record.authority) +
    charsOf(record.upstreamHost) +
    charsOf(record.upstreamCluster) +
    bytesOf(record.upstreamLocalAddress) +
    bytesOf(record.downstreamLocalAddress) +
    bytesOf(record.downstreamRemoteAddress) +
    charsOf(record.requestedServerName) +
    charsOf(record.routeName);
  return mostConstantBytes + chars * maxEscapeBytes;
}

/** `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS …`, 23 fields; `-` for what is not known. */
export function createTextFormat(): LineFormat {
  const time = new IsoTime("[", '] "');
  const method = new RememberedText(nothing, bareStyle, spaceBefore);
  const protocol = new RememberedText(spaceBefore, bareStyle, ascii('" '));
  const outcome = new RememberedRun([
    new RememberedText(spaceBefore, bareStyle),
    new RememberedText(spaceBefore, bareStyle),
    new RememberedText(spaceBefore, bareStyle),
    new RememberedText(spaceBefore, quotedStyle),
  ]);
  const upstream = new RememberedRun([
    new RememberedText(spaceBefore, quotedStyle),
    new RememberedText(spaceBefore, bareStyle),
  ]);
  const names = new RememberedRun([
    new RememberedText(spaceBefore, bareStyle),
    new RememberedText(spaceBefore, bareStyle),
  ]);
  return (record, out, start) => {
    let at = writeRaw(time.at(record.startWallMs), out, start);
    at = writeRemembered(record.method, method, out, at);
    at = writeRange(record.path, bareStyle, out, at);
    at = writeRemembered(record.protocol, protocol, out, at);
    at = writeInteger(record.responseCode, out, at);
    const { responseFlags, responseCodeDetails, connectionTerminationDetails, upstreamTransportFailureReason } = record;
    at = writeRun(
      outcome,
      responseFlags,
      responseCodeDetails,
      connectionTerminationDetails,
      upstreamTransportFailureReason,
      out,
      at,
    );
    out[at] = space;
    at = writeInteger(record.bytesReceived, out, at + 1);
    out[at] = space;
    at = writeInteger(record.bytesSent, out, at + 1);
    out[at] = space;
    at = writeInteger(record.durationMs, out, at + 1);
    out[at++] = space;
    const { upstreamServiceTimeMs } = record;
    if (upstreamServiceTimeMs === null) at = writeRaw(bareStyle.missing, out, at);
    else at = writeInteger(upstreamServiceTimeMs, out, at);
    out[at] = space;
    at = writeRange(record.xForwardedFor, quotedStyle, out, at + 1);
    out[at] = space;
    at = writeRange(record.userAgent, quotedStyle, out, at + 1);
    out[at] = space;
    at = writeRange(record.requestId, quotedStyle, out, at + 1);
    out[at] = space;
    at = writeRange(record.authority, quotedStyle, out, at + 1);
    at = writeRun(upstream, record.upstreamHost, record.upstreamCluster, null, null, out, at);
    out[at] = space;
    at = writeRange(record.upstreamLocalAddress, bareStyle, out, at + 1);
    out[at] = space;
    at = writeRange(record.downstreamLocalAddress, bareStyle, out, at + 1);
    out[at] = space;
    at = writeRange(record.downstreamRemoteAddress, bareStyle, out, at + 1);
    at = writeRun(names, record.requestedServerName, record.routeName, null, null, out, at);
    out[at] = lineFeed;
    return at + 1;
  };
}

/**
 * Numbers stay numbers and what is not known is null. `upstream_service_time` is a string: it is a response header to
 * Envoy.
 */
export function createJsonFormat(): LineFormat {
  const time = new IsoTime('{"start_time":"', '","route_name":');
  const routeName = new RememberedText(nothing, jsonStyle, json.method);
  const method = new RememberedText(nothing, jsonStyle, json.path);
  const protocol = new RememberedText(json.protocol, jsonStyle, json.responseCode);
  const outcome = new RememberedRun([
    new RememberedText(json.responseFlags, jsonStyle),
    new RememberedText(json.responseCodeDetails, jsonStyle),
    new RememberedText(json.connectionTerminationDetails, jsonStyle, json.bytesReceived),
  ]);
  const upstream = new RememberedRun([
    new RememberedText(json.upstreamHost, jsonStyle),
    new RememberedText(json.upstreamCluster, jsonStyle, json.upstreamLocalAddress),
  ]);
  const end = new RememberedRun([
    new RememberedText(json.requestedServerName, jsonStyle),
    new RememberedText(json.upstreamTransportFailureReason, jsonStyle, json.end),
  ]);
  return (record, out, start) => {
    let at = writeRaw(time.at(record.startWallMs), out, start);
    at = writeRemembered(record.routeName, routeName, out, at);
    at = writeRemembered(record.method, method, out, at);
    at = writeRange(record.path, jsonStyle, out, at);
    at = writeRemembered(record.protocol, protocol, out, at);
    at = writeInteger(record.responseCode, out, at);
    const { responseFlags, responseCodeDetails, connectionTerminationDetails } = record;
    at = writeRun(outcome, responseFlags, responseCodeDetails, connectionTerminationDetails, null, out, at);
    at = writeInteger(record.bytesReceived, out, at);
    at = writeRaw(json.bytesSent, out, at);
    at = writeInteger(record.bytesSent, out, at);
    at = writeRaw(json.duration, out, at);
    at = writeInteger(record.durationMs, out, at);
    at = writeRaw(json.upstreamServiceTime, out, at);
    at = jsonServiceTime(record.upstreamServiceTimeMs, out, at);
    at = writeRaw(json.xForwardedFor, out, at);
    at = writeRange(record.xForwardedFor, jsonStyle, out, at);
    at = writeRaw(json.userAgent, out, at);
    at = writeRange(record.userAgent, jsonStyle, out, at);
    at = writeRaw(json.requestId, out, at);
    at = writeRange(record.requestId, jsonStyle, out, at);
    at = writeRaw(json.authority, out, at);
    at = writeRange(record.authority, jsonStyle, out, at);
    at = writeRun(upstream, record.upstreamHost, record.upstreamCluster, null, null, out, at);
    at = writeRange(record.upstreamLocalAddress, jsonStyle, out, at);
    at = writeRaw(json.downstreamLocalAddress, out, at);
    at = writeRange(record.downstreamLocalAddress, jsonStyle, out, at);
    at = writeRaw(json.downstreamRemoteAddress, out, at);
    at = writeRange(record.downstreamRemoteAddress, jsonStyle, out, at);
    return writeRun(end, record.requestedServerName, record.upstreamTransportFailureReason, null, null, out, at);
  };
}

function jsonServiceTime(serviceTimeMs: number | null, out: Buffer, at: number): number {
  if (serviceTimeMs === null) return writeRaw(jsonStyle.missing, out, at);
  out[at] = quote;
  const end = writeInteger(serviceTimeMs, out, at + 1);
  out[end] = quote;
  return end + 1;
}

function bytesOf(range: ByteRange | null): number {
  return range === null ? 0 : range.end - range.start;
}

function charsOf(text: string | null): number {
  return text === null ? 0 : text.length;
}

/** What stands before each value. */
const json = {
  method: ascii(',"method":'),
  path: ascii(',"path":'),
  protocol: ascii(',"protocol":'),
  responseCode: ascii(',"response_code":'),
  responseFlags: ascii(',"response_flags":'),
  responseCodeDetails: ascii(',"response_code_details":'),
  connectionTerminationDetails: ascii(',"connection_termination_details":'),
  bytesReceived: ascii(',"bytes_received":'),
  bytesSent: ascii(',"bytes_sent":'),
  duration: ascii(',"duration":'),
  upstreamServiceTime: ascii(',"upstream_service_time":'),
  xForwardedFor: ascii(',"x_forwarded_for":'),
  userAgent: ascii(',"user_agent":'),
  requestId: ascii(',"request_id":'),
  authority: ascii(',"authority":'),
  upstreamHost: ascii(',"upstream_host":'),
  upstreamCluster: ascii(',"upstream_cluster":'),
  upstreamLocalAddress: ascii(',"upstream_local_address":'),
  downstreamLocalAddress: ascii(',"downstream_local_address":'),
  downstreamRemoteAddress: ascii(',"downstream_remote_address":'),
  requestedServerName: ascii(',"requested_server_name":'),
  upstreamTransportFailureReason: ascii(',"upstream_transport_failure_reason":'),
  end: ascii("}\n"),
};
