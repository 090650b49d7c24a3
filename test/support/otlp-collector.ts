// SPDX-License-Identifier: Apache-2.0
// A collector of traces that takes OTLP over HTTP and believes nothing: every request is checked against the protocol, and
// what does not hold fails the test that looks at the spans.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { readMessage, type Message, type MessageSchema, type Value } from "./protobuf.ts";

const anyValue: MessageSchema = { name: "AnyValue", fields: { 1: ["string", "string"] } };
const keyValue: MessageSchema = { name: "KeyValue", fields: { 1: ["key", "string"], 2: ["value", anyValue] } };
const status: MessageSchema = { name: "Status", fields: { 2: ["message", "string"], 3: ["code", "varint"] } };
const span: MessageSchema = {
  name: "Span",
  fields: {
    1: ["traceId", "bytes"],
    2: ["spanId", "bytes"],
    3: ["traceState", "string"],
    4: ["parentSpanId", "bytes"],
    5: ["name", "string"],
    6: ["kind", "varint"],
    7: ["start", "fixed64"],
    8: ["end", "fixed64"],
    9: ["attributes", keyValue],
    10: ["droppedAttributes", "varint"],
    12: ["droppedEvents", "varint"],
    14: ["droppedLinks", "varint"],
    15: ["status", status],
    16: ["flags", "fixed32"],
  },
};
const scope: MessageSchema = {
  name: "InstrumentationScope",
  fields: { 1: ["name", "string"], 2: ["version", "string"] },
};
const scopeSpans: MessageSchema = {
  name: "ScopeSpans",
  fields: { 1: ["scope", scope], 2: ["spans", span], 3: ["schemaUrl", "string"] },
};
const resource: MessageSchema = {
  name: "Resource",
  fields: { 1: ["attributes", keyValue], 2: ["droppedAttributes", "varint"] },
};
const resourceSpans: MessageSchema = {
  name: "ResourceSpans",
  fields: { 1: ["resource", resource], 2: ["scopeSpans", scopeSpans], 3: ["schemaUrl", "string"] },
};
/** What a request's body is. */
export const exportRequest: MessageSchema = {
  name: "ExportTraceServiceRequest",
  fields: { 1: ["resourceSpans", resourceSpans] },
};

/** A span as it was received; ids as hexadecimal digits. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** "" = it has none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "server" | "client" | "other";
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: string;
}

export interface Collector {
  /** What an exporter is told; the path of traces is below it. */
  readonly url: string;
  readonly requests: number;
  /** While it is not 200, requests are answered with it and taken for nothing. */
  statusCode: number;
  /** Resolves once so many spans were received; rejects at the first request that breaks the protocol. */
  waitForSpans(count: number): Promise<readonly ReceivedSpan[]>;
  /** All of them. Throws when a request broke the protocol. */
  spans(): readonly ReceivedSpan[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one on a free port of 127.0.0.1. */
export async function startCollector(): Promise<Collector> {
  const received: ReceivedSpan[] = [];
  const faults: Error[] = [];
  let requests = 0;
  let wake = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    requests++;
    take(request, response, collector.statusCode)
      .then(
        (spans) => received.push(...spans),
        (error: unknown) => faults.push(error instanceof Error ? error : new Error(String(error))),
      )
      .finally(() => {
        wake.resolve();
        wake = Promise.withResolvers();
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    statusCode: 200,
    get requests() {
      return requests;
    },
    spans() {
      const [fault] = faults;
      if (fault !== undefined) throw fault;
      return received;
    },
    async waitForSpans(count) {
      while (collector.spans().length < count) await wake.promise;
      return received;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return collector;
}

async function take(
  request: IncomingMessage,
  response: ServerResponse,
  statusCode: number,
): Promise<readonly ReceivedSpan[]> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  response.writeHead(statusCode, { "content-type": "application/x-protobuf" }).end();
  if (statusCode !== 200) return [];
  const { method, url, headers } = request;
  if (method !== "POST" || url !== "/v1/traces" || headers["content-type"] !== "application/x-protobuf") {
    throw new Error(`not OTLP: ${method} ${url} ${headers["content-type"]}`);
  }
  return readSpans(Buffer.concat(parts));
}

function readSpans(bytes: Uint8Array): readonly ReceivedSpan[] {
  const all = messages(readMessage(bytes, exportRequest), "resourceSpans");
  return all.flatMap((group) => {
    const resourceAttributes = attributesOf(messages(group, "resource")[0] ?? {});
    return messages(group, "scopeSpans").flatMap((part) =>
      messages(part, "spans").map((each) => ({
        ...receivedSpan(each),
        resource: resourceAttributes,
        scope: text(messages(part, "scope")[0] ?? {}, "name"),
      })),
    );
  });
}

function receivedSpan(from: Message): Omit<ReceivedSpan, "resource" | "scope"> {
  const kinds = new Map<Value | undefined, ReceivedSpan["kind"]>([
    [2n, "server"],
    [3n, "client"],
  ]);
  return {
    traceId: id(from, "traceId", 16),
    spanId: id(from, "spanId", 8),
    parentSpanId: from["parentSpanId"] === undefined ? "" : id(from, "parentSpanId", 8),
    name: text(from, "name"),
    kind: kinds.get(from["kind"]?.[0]) ?? "other",
    startNs: from["start"]?.[0] as bigint,
    endNs: from["end"]?.[0] as bigint,
    failed: messages(from, "status").some((each) => each["code"]?.[0] === 2n),
    attributes: attributesOf(from),
  };
}

function messages(from: Message, name: string): readonly Message[] {
  return (from[name] ?? []) as readonly Message[];
}

function text(from: Message, name: string): string {
  return (from[name]?.[0] ?? "") as string;
}

function id(from: Message, name: string, bytes: number): string {
  const value = from[name]?.[0] as Uint8Array | undefined;
  if (value?.length !== bytes || value.every((byte) => byte === 0)) throw new Error(`${name} is no id`);
  return Buffer.from(value).toString("hex");
}

function attributesOf(from: Message): Readonly<Record<string, string>> {
  return Object.fromEntries(
    messages(from, "attributes").map((each) => [text(each, "key"), text(messages(each, "value")[0] ?? {}, "string")]),
  );
}
