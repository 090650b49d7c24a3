// SPDX-License-Identifier: Apache-2.0
// An attacker, a bystander and an origin around one proxy, and what must hold for every attack: the origin sees one
// well-formed request or none, the attacker gets one answer and the end of his connection, and the bystander, on a
// connection of his own, gets the answer to what he asked.

import assert from "node:assert/strict";

import {
  eventually,
  nextTurn,
  startProxy,
  type ProxySetup,
  type ProxyUnderTest,
} from "../../support/proxy-under-test.ts";
import type { RawPeer } from "../../support/raw-peer.ts";
import { EchoOrigin, type SeenRequest } from "./echo-origin.ts";

/** How naru turns a request down. */
export interface Refusal {
  readonly status: number;
  readonly flags: string;
  readonly details: string;
}

const longestTestMs = 15_000;
const codecError = "http1.codec_error";
export const refusals = {
  badRequest: { status: 400, flags: "DPE", details: codecError },
  missingHost: { status: 400, flags: "-", details: "missing_host_header" },
  headTimeout: { status: 408, flags: "-", details: "request_header_timeout" },
  requestTimeout: { status: 408, flags: "-", details: "request_overall_timeout" },
  targetTooLong: { status: 414, flags: "DPE", details: "uri_too_long" },
  expectation: { status: 417, flags: "-", details: "expectation_failed" },
  headTooLarge: { status: 431, flags: "DPE", details: "request_headers_too_large" },
  coding: { status: 501, flags: "DPE", details: codecError },
  method: { status: 501, flags: "-", details: "method_not_served" },
  version: { status: 505, flags: "DPE", details: codecError },
} as const satisfies Record<string, Refusal>;

/** What an attacker hopes somebody takes for a request of its own. */
export const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/** A request head from a request line and field lines, ended. */
export function head(...lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A POST with these lines after Host, and what follows its head. */
export function postWith(lines: string, rest = ""): string {
  return `POST /attack HTTP/1.1\r\nHost: a\r\n${lines}\r\n${rest}`;
}

/** One chunk with its framing. */
export function chunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`;
}

export class Arena implements AsyncDisposable {
  readonly origin: EchoOrigin;
  readonly proxy: ProxyUnderTest;
  readonly #bystander: RawPeer;
  readonly #giveUp: NodeJS.Timeout;
  #asked = 0;

  private constructor(origin: EchoOrigin, proxy: ProxyUnderTest, bystander: RawPeer) {
    this.origin = origin;
    this.proxy = proxy;
    this.#bystander = bystander;
    // Ends whatever a failing test waits for; a passing one never comes near it.
    this.#giveUp = setTimeout(() => void proxy.dataPlane.stop(), longestTestMs);
  }

  static async start(setup: ProxySetup = {}): Promise<Arena> {
    await using started = new AsyncDisposableStack();
    const origin = started.use(await EchoOrigin.start());
    const proxy = started.use(await startProxy({ origins: [origin.port], ...setup }));
    const arena = new Arena(origin, proxy, await proxy.connect());
    started.move();
    return arena;
  }

  /** Sends `payload`, cut before the given offsets, and holds the answer against `refusal`. Nothing reaches the origin. */
  async refused(payload: string, refusal: Refusal, cuts: readonly number[] = []): Promise<void> {
    const name = JSON.stringify(payload.slice(0, 200));
    const before = this.origin.requests.length;
    const recorded = this.proxy.accessLog.length;
    await using client = await this.proxy.connect();
    await sendInPieces(client, payload, cuts);
    const answer = await client.takeToEnd();
    assertRefusal(answer, refusal, name);
    const record = this.proxy.accessLog.at(-1)!;
    assert.equal(this.proxy.accessLog.length, recorded + 1, `one exchange for ${name}`);
    assert.deepEqual([record.responseFlags, record.responseCodeDetails], [refusal.flags, refusal.details], name);
    await this.assertUnharmed(name);
    assert.equal(this.origin.requests.length, before + 1, `only the bystander reached the origin after ${name}`);
  }

  /** The same, with the payload cut in two at every offset and sent byte by byte. */
  async refusedAtEverySplit(payload: string, refusal: Refusal): Promise<void> {
    for (let cut = 0; cut < payload.length; cut++) await this.refused(payload, refusal, [cut]);
    await this.refused(
      payload,
      refusal,
      Array.from({ length: payload.length }, (_, cut) => cut),
    );
  }

  /** Sends a payload that is one request; returns what the origin saw of it. */
  async forwarded(payload: string, cuts: readonly number[] = []): Promise<SeenRequest> {
    const name = JSON.stringify(payload.slice(0, 200));
    const before = this.origin.requests.length;
    await using client = await this.proxy.connect();
    await sendInPieces(client, payload, cuts);
    const answer = await client.takeThrough("\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/, name);
    const seen = this.origin.requests[before]!;
    if (seen.method !== "HEAD") assert.equal(await client.takeBytes(seen.target.length), seen.target, name);
    await this.assertUnharmed(name);
    assert.equal(client.received, "", `one answer to ${name}`);
    assert.equal(this.origin.requests.length, before + 2, `one request and the bystander's after ${name}`);
    return seen;
  }

  /** Sends a payload that readers see differently: it is one request for the origin, which is returned, or refused. */
  async oneOrNone(payload: string): Promise<SeenRequest | null> {
    const name = JSON.stringify(payload.slice(0, 200));
    const before = this.origin.requests.length;
    await using client = await this.proxy.connect();
    client.send(payload);
    const lines = await client.takeThrough("\r\n\r\n");
    if (!lines.startsWith("HTTP/1.1 200 ")) {
      const answer = lines + (await client.takeToEnd());
      const status = Number(answer.slice(9, 12));
      assert.ok(status === 400 || status === 501, name);
      assertRefusal(answer, { ...refusals.badRequest, status }, name);
      await this.assertUnharmed(name);
      assert.equal(this.origin.requests.length, before + 1, `only the bystander reached the origin after ${name}`);
      return null;
    }
    const seen = this.origin.requests[before]!;
    assert.equal(await client.takeBytes(seen.target.length), seen.target, name);
    await this.assertUnharmed(name);
    assert.equal(client.received, "", `one answer to ${name}`);
    assert.equal(this.origin.requests.length, before + 2, `one request and the bystander's after ${name}`);
    return seen;
  }

  /** Sends one request that naru answers itself, with `status`. */
  async answered(payload: string, status: number): Promise<void> {
    const before = this.origin.requests.length;
    await using client = await this.proxy.connect();
    client.send(payload);
    const answer = await client.takeThrough("\r\n\r\n");
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), payload);
    await this.assertUnharmed(payload);
    assert.equal(this.origin.requests.length, before + 1, `only the bystander reached the origin after ${payload}`);
  }

  /** Whoever else is there gets his own answer, and the origin holds nothing it could mistake for a request. */
  async assertUnharmed(name: string): Promise<void> {
    const path = `/bystander/${++this.#asked}`;
    this.#bystander.send(`GET ${path} HTTP/1.1\r\nHost: b\r\n\r\n`);
    await this.#bystander.takeThrough("\r\n\r\n");
    assert.equal(await this.#bystander.takeBytes(path.length), path, `the bystander's answer after ${name}`);
    assert.equal(this.#bystander.received, "", `nothing but the bystander's answer after ${name}`);
    assert.deepEqual(this.origin.faults, [], name);
    assert.equal(this.origin.requests.at(-1)?.target, path, name);
    await eventually(() => this.origin.unfinished === 0, `the origin holds no part of ${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#giveUp);
    await this.#bystander[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

/** Each piece has a turn of the loop to arrive by itself. */
export async function sendInPieces(client: RawPeer, payload: string, cuts: readonly number[]): Promise<void> {
  let from = 0;
  for (const cut of [...cuts, payload.length]) {
    if (cut <= from) continue;
    client.send(payload.slice(from, cut));
    from = cut;
    if (from < payload.length) await nextTurn();
  }
}

/** Exactly one answer with this status, which says that the connection ends. */
export function assertRefusal(answer: string, { status }: Refusal, name: string): void {
  assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [A-Za-z ]+\\r\\n`), name);
  assert.equal(answer.split("HTTP/1.1 ").length, 2, `one answer to ${name}`);
  const [lines = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(`${lines}\r\n`, /\r\nconnection: close\r\n/, name);
  assert.match(`${lines}\r\n`, new RegExp(`\\r\\ncontent-length: ${body.length}\\r\\n`), name);
}

/** Values of a field, in order. */
export function valuesOf(request: SeenRequest, lowerCaseName: string): string[] {
  return request.headers.flatMap(([name, value]) => (name.toLowerCase() === lowerCaseName ? [value] : []));
}
