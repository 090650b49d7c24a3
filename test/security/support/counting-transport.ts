// SPDX-License-Identifier: Apache-2.0
// The real transport with its work counted: what is handed to it, in how many calls, and what it holds at most.

import type { Buffer } from "node:buffer";

import { transportUnderTest, type Connection, type Transport } from "../../support/transport-under-test.ts";

export class CountingTransport implements Transport {
  readonly name;
  sends = 0;
  sentBytes = 0;
  /** Memory asked for; what is asked for and not used costs as much. */
  reservedBytes = 0;
  /** Most that any one connection has held back at a time. */
  mostQueuedBytes = 0;
  readonly #real = transportUnderTest.create();

  constructor() {
    this.name = this.#real.name;
  }

  listen: Transport["listen"] = (options, accept) =>
    this.#real.listen(options, (connection) => accept(new CountedConnection(connection, this)));

  batch: Transport["batch"] = () => this.#real.batch();

  connect: Transport["connect"] = (options, handler) =>
    new CountedConnection(this.#real.connect(options, handler), this);

  samples: Transport["samples"] = () => this.#real.samples();

  close: Transport["close"] = () => this.#real.close();
}

class CountedConnection implements Connection {
  readonly #real: Connection;
  readonly #counts: CountingTransport;

  constructor(real: Connection, counts: CountingTransport) {
    this.#real = real;
    this.#counts = counts;
  }

  get queuedBytes(): number {
    return this.#real.queuedBytes;
  }

  get remoteAddress(): string {
    return this.#real.remoteAddress;
  }

  get remotePort(): number {
    return this.#real.remotePort;
  }

  get localAddress(): string {
    return this.#real.localAddress;
  }

  get localPort(): number {
    return this.#real.localPort;
  }

  reserve(bytes: number): Buffer {
    this.#counts.reservedBytes += bytes;
    return this.#real.reserve(bytes);
  }

  send(length: number): boolean {
    return this.#count(length, this.#real.send(length));
  }

  sendWith(length: number, bytes: Buffer, from: number, to: number): boolean {
    return this.#count(length + to - from, this.#real.sendWith(length, bytes, from, to));
  }

  #count(length: number, goOn: boolean): boolean {
    this.#counts.sends++;
    this.#counts.sentBytes += length;
    this.#counts.mostQueuedBytes = Math.max(this.#counts.mostQueuedBytes, this.#real.queuedBytes);
    return goOn;
  }

  forward(...all: Parameters<Connection["forward"]>): void {
    this.#real.forward(...all);
  }

  pause(): void {
    this.#real.pause();
  }

  resume(): void {
    this.#real.resume();
  }

  end(): void {
    this.#real.end();
  }

  close(): void {
    this.#real.close();
  }

  destroy(reset: boolean): void {
    this.#real.destroy(reset);
  }
}
