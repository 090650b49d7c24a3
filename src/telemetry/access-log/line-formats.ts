// SPDX-License-Identifier: Apache-2.0
// One finished exchange as one line: Envoy's default text format as Istio sets it, and Istio's JSON. Kiali and many log
// pipelines parse both by position and key, so nothing may be added in the middle. Printable ASCII with a line break.

import type { AccessLogRecord } from "../port.ts";
import { ascii, bareStyle, jsonStyle, quotedStyle } from "./escape.ts";
import { IsoTime } from "./iso-time.ts";
import { RememberedText, type LineWriter } from "./line-writer.ts";

const lineFeed = 0x0a;
const space = 0x20;
const quote = 0x22;
const textBeforeTime = ascii("[");
const textAfterTime = ascii('] "');

/** Appends one line; remembers of the last one what the next is likely to share. */
export type LineFormat = (record: AccessLogRecord, line: LineWriter) => void;

/** `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS …`, 23 fields; `-` for what is not known. */
export function createTextFormat(): LineFormat {
  const time = new IsoTime();
  const method = new RememberedText(bareStyle);
  const protocol = new RememberedText(bareStyle);
  const flags = new RememberedText(bareStyle);
  const details = new RememberedText(bareStyle);
  const terminationDetails = new RememberedText(bareStyle);
  const failureReason = new RememberedText(quotedStyle);
  const upstreamHost = new RememberedText(quotedStyle);
  const upstreamCluster = new RememberedText(bareStyle);
  const serverName = new RememberedText(bareStyle);
  const routeName = new RememberedText(bareStyle);
  return (record, line) => {
    line.raw(textBeforeTime);
    line.raw(time.at(record.startWallMs));
    line.raw(textAfterTime);
    line.remembered(record.method, method);
    line.byte(space);
    line.range(record.path, bareStyle);
    line.byte(space);
    line.remembered(record.protocol, protocol);
    line.byte(quote);
    line.byte(space);
    line.integer(record.responseCode);
    line.byte(space);
    line.remembered(record.responseFlags, flags);
    line.byte(space);
    line.remembered(record.responseCodeDetails, details);
    line.byte(space);
    line.remembered(record.connectionTerminationDetails, terminationDetails);
    line.byte(space);
    line.remembered(record.upstreamTransportFailureReason, failureReason);
    line.byte(space);
    line.integer(record.bytesReceived);
    line.byte(space);
    line.integer(record.bytesSent);
    line.byte(space);
    line.integer(record.durationMs);
    line.byte(space);
    if (record.upstreamServiceTimeMs === null) line.raw(bareStyle.missing);
    else line.integer(record.upstreamServiceTimeMs);
    line.byte(space);
    line.range(record.xForwardedFor, quotedStyle);
    line.byte(space);
    line.range(record.userAgent, quotedStyle);
    line.byte(space);
    line.range(record.requestId, quotedStyle);
    line.byte(space);
    line.range(record.authority, quotedStyle);
    line.byte(space);
    line.remembered(record.upstreamHost, upstreamHost);
    line.byte(space);
    line.remembered(record.upstreamCluster, upstreamCluster);
    line.byte(space);
    line.range(record.upstreamLocalAddress, bareStyle);
    line.byte(space);
    line.range(record.downstreamLocalAddress, bareStyle);
    line.byte(space);
    line.range(record.downstreamRemoteAddress, bareStyle);
    line.byte(space);
    line.remembered(record.requestedServerName, serverName);
    line.byte(space);
    line.remembered(record.routeName, routeName);
    line.byte(lineFeed);
  };
}

/**
 * Numbers stay numbers and what is not known is null. `upstream_service_time` is a string: it is a response header to
 * Envoy.
 */
export function createJsonFormat(): LineFormat {
  const time = new IsoTime();
  const routeName = new RememberedText(jsonStyle);
  const method = new RememberedText(jsonStyle);
  const protocol = new RememberedText(jsonStyle);
  const flags = new RememberedText(jsonStyle);
  const details = new RememberedText(jsonStyle);
  const terminationDetails = new RememberedText(jsonStyle);
  const upstreamHost = new RememberedText(jsonStyle);
  const upstreamCluster = new RememberedText(jsonStyle);
  const serverName = new RememberedText(jsonStyle);
  const failureReason = new RememberedText(jsonStyle);
  return (record, line) => {
    line.raw(json.startTime);
    line.raw(time.at(record.startWallMs));
    line.raw(json.routeName);
    line.remembered(record.routeName, routeName);
    line.raw(json.method);
    line.remembered(record.method, method);
    line.raw(json.path);
    line.range(record.path, jsonStyle);
    line.raw(json.protocol);
    line.remembered(record.protocol, protocol);
    line.raw(json.responseCode);
    line.integer(record.responseCode);
    line.raw(json.responseFlags);
    line.remembered(record.responseFlags, flags);
    line.raw(json.responseCodeDetails);
    line.remembered(record.responseCodeDetails, details);
    line.raw(json.connectionTerminationDetails);
    line.remembered(record.connectionTerminationDetails, terminationDetails);
    line.raw(json.bytesReceived);
    line.integer(record.bytesReceived);
    line.raw(json.bytesSent);
    line.integer(record.bytesSent);
    line.raw(json.duration);
    line.integer(record.durationMs);
    line.raw(json.upstreamServiceTime);
    jsonServiceTime(record.upstreamServiceTimeMs, line);
    line.raw(json.xForwardedFor);
    line.range(record.xForwardedFor, jsonStyle);
    line.raw(json.userAgent);
    line.range(record.userAgent, jsonStyle);
    line.raw(json.requestId);
    line.range(record.requestId, jsonStyle);
    line.raw(json.authority);
    line.range(record.authority, jsonStyle);
    line.raw(json.upstreamHost);
    line.remembered(record.upstreamHost, upstreamHost);
    line.raw(json.upstreamCluster);
    line.remembered(record.upstreamCluster, upstreamCluster);
    line.raw(json.upstreamLocalAddress);
    line.range(record.upstreamLocalAddress, jsonStyle);
    line.raw(json.downstreamLocalAddress);
    line.range(record.downstreamLocalAddress, jsonStyle);
    line.raw(json.downstreamRemoteAddress);
    line.range(record.downstreamRemoteAddress, jsonStyle);
    line.raw(json.requestedServerName);
    line.remembered(record.requestedServerName, serverName);
    line.raw(json.upstreamTransportFailureReason);
    line.remembered(record.upstreamTransportFailureReason, failureReason);
    line.raw(json.end);
  };
}

function jsonServiceTime(serviceTimeMs: number | null, line: LineWriter): void {
  if (serviceTimeMs === null) {
    line.raw(jsonStyle.missing);
    return;
  }
  line.byte(quote);
  line.integer(serviceTimeMs);
  line.byte(quote);
}

/** What stands before each value. */
const json = {
  startTime: ascii('{"start_time":"'),
  routeName: ascii('","route_name":'),
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
