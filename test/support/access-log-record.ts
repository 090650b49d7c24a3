// SPDX-License-Identifier: Apache-2.0
// Access-log records that may be kept and written by hand: the texts as strings, where the product has bytes that are
// valid during the call only.

import type { AccessLogRecord, ByteRange } from "../../src/telemetry/port.ts";

export type LoggedExchange = {
  readonly [Key in keyof AccessLogRecord]: AccessLogRecord[Key] extends ByteRange | null
    ? string | null
    : AccessLogRecord[Key];
};

/** A copy with nothing of the record in it. */
export function loggedExchange(record: AccessLogRecord): LoggedExchange {
  return {
    startWallMs: record.startWallMs,
    method: record.method,
    path: textOf(record.path),
    protocol: record.protocol,
    responseCode: record.responseCode,
    responseFlags: record.responseFlags,
    responseCodeDetails: record.responseCodeDetails,
    connectionTerminationDetails: record.connectionTerminationDetails,
    upstreamTransportFailureReason: record.upstreamTransportFailureReason,
    bytesReceived: record.bytesReceived,
    bytesSent: record.bytesSent,
    durationMs: record.durationMs,
    upstreamServiceTimeMs: record.upstreamServiceTimeMs,
    xForwardedFor: textOf(record.xForwardedFor),
    userAgent: textOf(record.userAgent),
    requestId: textOf(record.requestId),
    authority: textOf(record.authority),
    upstreamHost: record.upstreamHost,
    upstreamCluster: record.upstreamCluster,
    upstreamLocalAddress: textOf(record.upstreamLocalAddress),
    downstreamLocalAddress: textOf(record.downstreamLocalAddress),
    downstreamRemoteAddress: textOf(record.downstreamRemoteAddress),
    requestedServerName: record.requestedServerName,
    routeName: record.routeName,
  };
}

/** A record with those texts, latin1, each somewhere in the middle of other bytes. */
export function accessLogRecord(logged: LoggedExchange): AccessLogRecord {
  return {
    ...logged,
    path: rangeOf(logged.path),
    xForwardedFor: rangeOf(logged.xForwardedFor),
    userAgent: rangeOf(logged.userAgent),
    requestId: rangeOf(logged.requestId),
    authority: rangeOf(logged.authority),
    upstreamLocalAddress: rangeOf(logged.upstreamLocalAddress),
    downstreamLocalAddress: rangeOf(logged.downstreamLocalAddress),
    downstreamRemoteAddress: rangeOf(logged.downstreamRemoteAddress),
  };
}

function textOf(range: ByteRange | null): string | null {
  return range === null ? null : range.bytes.toString("latin1", range.start, range.end);
}

function rangeOf(text: string | null): ByteRange | null {
  if (text === null) return null;
  return { bytes: Buffer.from(`before${text}after`, "latin1"), start: 6, end: 6 + text.length, plain: false };
}
