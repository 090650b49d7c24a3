// SPDX-License-Identifier: Apache-2.0
// One connection from a client: cuts its bytes into exchanges, one at a time, and holds what cannot be used yet.

import { Buffer } from "node:buffer";

import { formatHostPort } from "../core/index.ts";
import type { ByteRange } from "../telemetry/port.ts";
import { asciiRange } from "./access-log-view.ts";
import { grown, messageState, noBytes, type Exchange } from "./exchange.ts";
import { carriageReturn, lineFeed } from "./http1/bytes.ts";
import type { LimitName } from "../model/index.ts";
import type { Listener } from "./listener.ts";
import type { Connection, ConnectionHandler } from "./transport/transport.ts";

/** What becomes of a connection's bytes; implemented by the pipeline. */
export interface DownstreamEvents {
  begin(downstream: DownstreamConnection): Exchange;
  /** Uses head bytes; returns the offset up to which it did. */
  receiveHead(exchange: Exchange, bytes: Buffer, from: number, to: number): number;
  /** Uses body bytes; returns the offset up to which it did, `from` when the upstream cannot take them yet. */
  relayRequest(exchange: Exchange, bytes: Buffer, from: number, to: number): number;
  /** The client sends empty lines and no request; it is answered for that. */
  refuseEmptyLines(exchange: Exchange): void;
  onDownstreamDrain(exchange: Exchange): void;
  /** The client is gone in the middle of an exchange. */
  onDownstreamGone(exchange: Exchange): void;
  onDownstreamClosed(downstream: DownstreamConnection): void;
  /** A limit was reached; it is counted. */
  onLimit(limit: LimitName): void;
  onBug(exchange: Exchange | null, error: unknown): void;
}

const loneCarriageReturn = Buffer.from("\r");

export class DownstreamConnection implements ConnectionHandler {
  readonly connection: Connection;
  readonly listener: Listener;
  exchange: Exchange | null = null;
  /** Coarse time of the last byte that was part of an exchange, in or out; for idle timeouts. */
  activeAtMs: number;
  exchanges = 0;
  /** Answered for good: what still arrives is read and dropped until the peer has seen the answer. */
  lingering = false;
  lingerLeft = 0;
  closed = false;
  /** The peer reads slowly and onDrain is still to come: no further request is begun meanwhile. */
  blocked = false;
  readonly #events: DownstreamEvents;
  /**
   * Bytes received and not yet used: a body before its upstream, pipelined requests. Reading goes on until so many are
   * held, because only who reads learns that the client has left.
   */
  #held: Buffer = noBytes;
  #heldFill = 0;
  #paused = false;
  /** Bytes of empty lines since the last request; odd between the two of a line. */
  #emptyLineBytes = 0;
  #consuming = false;
  #localText: ByteRange | null = null;
  #remoteText: ByteRange | null = null;
  #remoteAddress: ByteRange | null = null;

  constructor(connection: Connection, listener: Listener, events: DownstreamEvents, nowMs: number) {
    this.connection = connection;
    this.listener = listener;
    this.#events = events;
    this.activeAtMs = nowMs;
  }

  /** `address:port` of our end; made once, for the access log. */
  get localText(): ByteRange {
    return (this.#localText ??= asciiRange(formatHostPort(this.connection.localAddress, this.connection.localPort)));
  }

  /** `address:port` of the client. */
  get remoteText(): ByteRange {
    return (this.#remoteText ??= asciiRange(formatHostPort(this.connection.remoteAddress, this.connection.remotePort)));
  }

  /** The client's address alone. */
  get remoteAddress(): ByteRange {
    return (this.#remoteAddress ??= asciiRange(this.connection.remoteAddress));
  }

  onConnect(): void {
    // Accepted connections are connected from the start.
  }

  onData(bytes: Buffer, from: number, to: number): void {
    if (this.lingering) {
      this.lingerLeft -= to - from;
      if (this.lingerLeft < 0 && !this.closed) {
        this.#events.onLimit("linger-bytes");
        this.destroy(true);
      }
      return;
    }
    // What waits behind an exchange does not keep it alive, or a client could hold it open for ever.
    if (this.exchange !== null && this.exchange.requestState !== messageState.done) {
      this.activeAtMs = this.listener.coarse.nowMs;
    }
    if (this.#heldFill > 0) {
      this.#hold(bytes, from, to);
      return;
    }
    const next = this.#consume(bytes, from, to);
    if (next < to && !this.lingering && !this.closed) this.#hold(bytes, next, to);
  }

  /** Sends what was written into reserved memory. False: the client reads slowly, wait for onDownstreamDrain. */
  send(length: number): boolean {
    this.activeAtMs = this.listener.coarse.nowMs;
    if (this.connection.send(length)) return true;
    this.blocked = true;
    return false;
  }

  /** The same with `bytes[from, to)` behind it, inside the onData that brought them. */
  sendWith(length: number, bytes: Buffer, from: number, to: number): boolean {
    this.activeAtMs = this.listener.coarse.nowMs;
    if (this.connection.sendWith(length, bytes, from, to)) return true;
    this.blocked = true;
    return false;
  }

  /** The client gets something that does not pass through here. */
  noteActive(): void {
    this.activeAtMs = this.listener.coarse.nowMs;
  }

  /** Offers held bytes again, and reads on when there is room. */
  resumeInput(): void {
    if (this.#consuming || this.closed) return;
    if (this.#heldFill > 0) {
      const next = this.#consume(this.#held, 0, this.#heldFill);
      if (this.closed) return;
      if (this.lingering) this.#dropHeld();
      else this.#dropUsed(next);
    }
    if (!this.#paused || this.#holdsEnough || this.exchange?.upstream?.blocked === true) return;
    this.#paused = false;
    this.connection.resume();
  }

  /** The upstream is slow: reads no more until resumeInput. */
  pauseInput(): void {
    this.#paused = true;
    this.connection.pause();
  }

  /** The upstream is ready: sends the request head, with whatever of the body has arrived. */
  offerHeld(): void {
    const next = this.#events.relayRequest(this.exchange!, this.#held, 0, this.#heldFill);
    // A body found invalid ends the exchange, and what was held is dropped with it.
    if (this.#heldFill > 0) this.#dropUsed(next);
    this.resumeInput();
  }

  /** The exchange is over. `close`: the connection must not carry another. `requestRead`: all of the request was used. */
  exchangeDone(close: boolean, requestRead: boolean): void {
    const unread = this.#heldFill > 0 || !requestRead;
    this.exchange = null;
    this.exchanges++;
    if (this.closed) return;
    if (!close) {
      this.resumeInput();
      return;
    }
    if (!unread) {
      this.close();
      return;
    }
    // RFC 9112 §9.6: closing with unread bytes resets the connection and may destroy the answer on its way.
    this.lingering = true;
    this.lingerLeft = this.listener.options.lingerBytes;
    this.activeAtMs = this.listener.coarse.nowMs;
    this.#dropHeld();
    this.#paused = false;
    this.connection.end();
    this.connection.resume();
  }

  /** Between exchanges: no other will begin. */
  close(): void {
    this.closed = true;
    this.connection.close();
  }

  destroy(reset: boolean): void {
    this.closed = true;
    this.connection.destroy(reset);
  }

  onDrain(): void {
    this.blocked = false;
    this.activeAtMs = this.listener.coarse.nowMs;
    if (this.exchange === null) this.resumeInput();
    else this.#events.onDownstreamDrain(this.exchange);
  }

  onEnd(): void {
    // Like Envoy and nginx: a client that stops sending is gone. An exchange in flight is aborted.
    if (this.lingering || this.exchange === null) this.connection.close();
    else this.#gone(this.exchange);
  }

  onClose(): void {
    this.closed = true;
    const exchange = this.exchange;
    if (exchange !== null) this.#gone(exchange);
    this.#dropHeld();
    this.#events.onDownstreamClosed(this);
  }

  #gone(exchange: Exchange): void {
    this.exchange = null;
    this.closed = true;
    this.#events.onDownstreamGone(exchange);
    this.connection.destroy(false);
  }

  /** Feeds the pipeline; returns the offset up to which bytes were used. */
  #consume(bytes: Buffer, from: number, to: number): number {
    this.#consuming = true;
    try {
      while (from < to && !this.lingering && !this.closed) {
        // A client that sends requests and does not read the answers would make us keep all of them.
        if (this.exchange === null && this.blocked) break;
        if (this.exchange === null && (bytes[from] === carriageReturn || this.#emptyLineBytes > 0)) {
          from = this.#skipEmptyLines(bytes, from, to);
          if (from === to) break;
        }
        const exchange = (this.exchange ??= this.#begin());
        if (exchange.requestState === messageState.head) {
          from = this.#events.receiveHead(exchange, bytes, from, to);
        } else if (exchange.requestState === messageState.body) {
          const next = this.#events.relayRequest(exchange, bytes, from, to);
          if (next === from) break;
          from = next;
        } else {
          break;
        }
      }
    } catch (error) {
      this.#events.onBug(this.exchange, error);
      return to;
    } finally {
      this.#consuming = false;
    }
    return from;
  }

  #begin(): Exchange {
    this.#emptyLineBytes = 0;
    this.activeAtMs = this.listener.coarse.nowMs;
    return this.#events.begin(this);
  }

  /**
   * Empty lines before a request belong to none (RFC 9112 §2.2): no exchange begins, and the idle time goes on. Returns
   * where the request begins, `to` when it does not; more of them than a head may have bytes are refused, half of one too.
   */
  #skipEmptyLines(bytes: Buffer, from: number, to: number): number {
    const most = this.listener.options.maxHeadBytes;
    let count = this.#emptyLineBytes;
    while (from < to && count <= most && bytes[from] === (count % 2 === 0 ? carriageReturn : lineFeed)) {
      from++;
      count++;
    }
    this.#emptyLineBytes = count;
    if (count > most) {
      this.exchange = this.#begin();
      this.#events.refuseEmptyLines(this.exchange);
      return to;
    }
    if (from < to && count % 2 === 1) {
      this.exchange = this.#begin();
      this.#events.receiveHead(this.exchange, loneCarriageReturn, 0, 1);
      return to;
    }
    return from;
  }

  get #holdsEnough(): boolean {
    return this.#heldFill > 0 && this.#heldFill >= this.listener.options.maxBufferedBytes;
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#held = grown(this.#held, this.#heldFill, to - from);
    this.#heldFill += bytes.copy(this.#held, this.#heldFill, from, to);
    if (!this.#holdsEnough || this.#paused) return;
    this.#events.onLimit("buffered-bytes");
    this.pauseInput();
  }

  /** Of what is held, `[0, used)` is no longer needed. */
  #dropUsed(used: number): void {
    if (used < this.#heldFill) {
      this.#held.copyWithin(0, used, this.#heldFill);
      this.#heldFill -= used;
    } else {
      this.#dropHeld();
    }
  }

  #dropHeld(): void {
    this.#held = noBytes;
    this.#heldFill = 0;
  }
}
