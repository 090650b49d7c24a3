// SPDX-License-Identifier: Apache-2.0
// An origin that answers with bytes of the test's choice, and what a client sees of them; then another client, who must
// get the answer to his own request over a connection that nobody has used.

import assert from "node:assert/strict";

import { endOfHead, get, ok } from "../../support/messages.ts";
import { startProxy, type Outcome, type ProxySetup, type ProxyUnderTest } from "../../support/proxy-under-test.ts";
import { RawOrigin } from "../../support/raw-peer.ts";
import { sendInPieces } from "./arena.ts";

export interface Delivery {
  /** All the client got, without naru's announcement of the close that the client asked for. */
  readonly answer: string;
  /** The client's connection broke off. */
  readonly broken: boolean;
  readonly outcome: Outcome;
}

export interface DeliveryOptions {
  readonly method?: string;
  /** Offsets into the first part. */
  readonly cuts?: readonly number[];
  readonly thenEnd?: boolean;
}

export class UpstreamAttack implements AsyncDisposable {
  readonly origin: RawOrigin;
  readonly proxy: ProxyUnderTest;

  private constructor(origin: RawOrigin, proxy: ProxyUnderTest) {
    this.origin = origin;
    this.proxy = proxy;
  }

  static async start(setup: ProxySetup = {}): Promise<UpstreamAttack> {
    const origin = await RawOrigin.start();
    return new UpstreamAttack(origin, await startProxy({ origins: [origin.port], ...setup }));
  }

  /**
   * Answers a request with `parts`; each but the first is sent once the client has the head of the answer. `thenEnd`: and
   * ends the connection. Afterwards the upstream connection is gone and the next client is served by another one.
   */
  async deliver(
    parts: readonly string[],
    { method = "GET", cuts = [], thenEnd = false }: DeliveryOptions = {},
  ): Promise<Delivery> {
    const before = this.proxy.accessLog.length;
    await using client = await this.proxy.connect();
    // So that the answer has an end that can be waited for.
    client.send(`${method} /victim HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const upstream = await this.origin.connection();
    await upstream.takeThrough(endOfHead);
    const [first = "", ...rest] = parts;
    await sendInPieces(upstream, first, cuts);
    let answer = "";
    for (const part of rest) {
      if (answer === "") answer = await client.takeThrough(endOfHead);
      upstream.send(part);
    }
    if (thenEnd) upstream.finish();
    answer += await client.takeToEnd();
    await upstream.takeToEnd();
    assert.equal(this.proxy.accessLog.length, before + 1);
    const outcome = this.proxy.lastOutcome()!;
    await this.#assertFresh(JSON.stringify(parts));
    return { answer: answer.replace("connection: close\r\n", ""), broken: client.errorCode === "ECONNRESET", outcome };
  }

  /** The answer is 502 UPE, with not a byte of the origin's, and not tried again. */
  async refused(bytes: string, cuts: readonly number[] = []): Promise<void> {
    const name = JSON.stringify(bytes.slice(0, 200));
    const { answer, broken, outcome } = await this.deliver([bytes], { cuts });
    assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/, name);
    assert.equal(answer.split("HTTP/1.1 ").length, 2, name);
    assert.match(
      answer,
      /\r\n\r\nupstream connect error or disconnect\/reset before headers\. reset reason: protocol error$/,
    );
    assert.deepEqual([broken, outcome.code, outcome.flags], [false, 502, "UPE"], name);
    assert.equal(outcome.details, "upstream_reset_before_response_started{protocol_error}", name);
  }

  /** The answer had begun: the client's connection breaks off and never gets an end of the body. */
  async broken(head: string, body: string): Promise<void> {
    const name = JSON.stringify(body.slice(0, 200));
    const { answer, broken, outcome } = await this.deliver([head, body]);
    assert.ok(broken, `a reset after ${name}`);
    assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/, name);
    assert.deepEqual([outcome.code, outcome.flags], [200, "UPE"], name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }

  async #assertFresh(name: string): Promise<void> {
    await using bystander = await this.proxy.connect();
    bystander.send(get("/bystander"));
    const fresh = await this.origin.connection();
    assert.match(await fresh.takeThrough(endOfHead), /^GET \/bystander /, name);
    fresh.send(ok("mine", "Connection: close\r\n"));
    assert.match(await bystander.takeThrough("\r\n\r\nmine"), /^HTTP\/1\.1 200 OK\r\n/, name);
    await fresh.takeToEnd();
  }
}
