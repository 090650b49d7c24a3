// SPDX-License-Identifier: Apache-2.0
// One finished exchange as one line: Envoy's default text format as Istio sets it, and Istio's JSON. Kiali and many log
// pipelines parse both by position and key, so nothing may be added in the middle. Printable ASCII with a line break.

import type { AccessLogRecord } from "../port.ts";
import { ascii, bareStyle, jsonStyle, quotedStyle } from "./escape.ts";
import { IsoTime } from "./iso-time.ts";
import { RememberedRun, RememberedText, type LineWriter } from "./line-writer.ts";

const lineFeed = 0x0a;
const space = 0x20;
const quote = 0x22;
const textBeforeTime = ascii("[");
const textAfterTime = ascii('] "');
const textAfterProtocol = ascii('" ');
const spaceBefore = ascii(" ");

/** Appends one line; remembers of the last one what the next is likely to share. */
export type LineFormat = (record: AccessLogRecord, line: LineWriter) => void;

/** `[START_TIME] "METHOD PATH PROTOCOL" CODE FLAGS …`, 23 fields; `-` for what is not known. */
export function createTextFormat(): LineFormat {
  const time = new IsoTime();
  const method = new RememberedText(textAfterTime, bareStyle);
  const protocol = new RememberedText(spaceBefore, bareStyle);
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
  return (record, line) => {
    line.raw(textBeforeTime);
    line.raw(time.at(record.startWallMs));
    line.remembered(record.method, method);
    line.byte(space);
    line.range(record.path, bareStyle);
    line.remembered(record.protocol, protocol);
    line.raw(textAfterProtocol);
    line.integer(record.responseCode);
    const { responseFlags, responseCodeDetails, connectionTerminationDetails, upstreamTransportFailureReason } = record;
    line.run(outcome, responseFlags, responseCodeDetails, connectionTerminationDetails, upstreamTransportFailureReason);
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
    line.run(upstream, record.upstreamHost, record.upstreamCluster, null, null);
    line.byte(space);
    line.range(record.upstreamLocalAddress, bareStyle);
    line.byte(space);
    line.range(record.downstreamLocalAddress, bareStyle);
    line.byte(space);
    line.range(record.downstreamRemoteAddress, bareStyle);
    line.run(names, record.requestedServerName, record.routeName, null, null);
    line.byte(lineFeed);
  };
}

/**
 * Numbers stay numbers and what is not known is null. `upstream_service_time` is a string: it is a response header to
 * Envoy.
 */
export function createJsonFormat(): LineFormat {
  const time = new IsoTime();
  const routeName = new RememberedText(json.routeName, jsonStyle);
  const method = new RememberedText(json.method, jsonStyle);
  const protocol = new RememberedText(json.protocol, jsonStyle);
  const flags = new RememberedText(json.responseFlags, jsonStyle);
  const details = new RememberedText(json.responseCodeDetails, jsonStyle);
  const terminationDetails = new RememberedText(json.connectionTerminationDetails, jsonStyle);
  const upstreamHost = new RememberedText(json.upstreamHost, jsonStyle);
  const upstreamCluster = new RememberedText(json.upstreamCluster, jsonStyle);
  const serverName = new RememberedText(json.requestedServerName, jsonStyle);
  const failureReason = new RememberedText(json.upstreamTransportFailureReason, jsonStyle);
  return (record, line) => {
    line.raw(json.startTime);
    line.raw(time.at(record.startWallMs));
    line.remembered(record.routeName, routeName);
    line.remembered(record.method, method);
    line.raw(json.path);
    line.range(record.path, jsonStyle);
    line.remembered(record.protocol, protocol);
    line.raw(json.responseCode);
    line.integer(record.responseCode);
    line.remembered(record.responseFlags, flags);
    line.remembered(record.responseCodeDetails, details);
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
    line.remembered(record.upstreamHost, upstreamHost);
    line.remembered(record.upstreamCluster, upstreamCluster);
    line.raw(json.upstreamLocalAddress);
    line.range(record.upstreamLocalAddress, jsonStyle);
    line.raw(json.downstreamLocalAddress);
    line.range(record.downstreamLocalAddress, jsonStyle);
    line.raw(json.downstreamRemoteAddress);
    line.range(record.downstreamRemoteAddress, jsonStyle);
    line.remembered(record.requestedServerName, serverName);
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
