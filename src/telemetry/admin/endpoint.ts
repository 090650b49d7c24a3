// SPDX-License-Identifier: Apache-2.0
// What an admin page is: a path, what may be done with it, and a function from a request to a reply. No sockets here.

export interface AdminRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  /** Pieces are written as the client reads them. */
  readonly body: string | AsyncIterable<string>;
  /** Called once the reply is sent or its client is gone. */
  readonly afterwards?: () => void;
}

export interface Endpoint {
  readonly path: string;
  /** What changes something is POST only. HEAD is served wherever GET is. */
  readonly methods: readonly ("GET" | "POST")[];
  /** One sentence for the index page. */
  readonly summary: string;
  handle(request: AdminRequest): AdminReply;
}

/** A page somebody else knows how to show. */
export interface View {
  text(): string;
  /** Plain data; Maps become objects. */
  data(): unknown;
}

/** A page to read: text, or JSON with `?format=json`. */
export function viewEndpoint(path: string, summary: string, view: View): Endpoint {
  return {
    path,
    methods: ["GET"],
    summary: `${summary} (?format=json)`,
    handle: ({ query }) => (query.get("format") === "json" ? jsonReply(view.data()) : textReply(200, view.text())),
  };
}

export function textReply(status: number, text: string): AdminReply {
  return { status, contentType: "text/plain; charset=utf-8", body: text };
}

/** Maps and Sets, of which snapshots are full, become objects and arrays. */
export function jsonReply(data: unknown): AdminReply {
  return { status: 200, contentType: "application/json", body: `${JSON.stringify(data, plain, 2)}\n` };
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Set ? [...value] : value;
}
