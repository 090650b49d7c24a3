// SPDX-License-Identifier: Apache-2.0
// One transport under the eyes of a referee: every call on it and every callback goes through here, and at the end the
// promises that hold in every test are checked. No callback inside a call, onClose once and last, nothing left open.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test, type TestContext } from "node:test";

import { eventually } from "../../support/proxy-under-test.ts";
import { connectRaw, RawOrigin, type RawPeer } from "../../support/raw-peer.ts";
import { requireTransport } from "../../support/requires.ts";
import {
  transportKinds,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type ListenOptions,
  type Transport,
} from "../../support/transport-under-test.ts";

export type Event = "connect" | "data" | "forwarded" | "drain" | "end" | "close";
export type Reactions = Partial<Readonly<Record<Event, (tap: Tap) => void>>>;

/** Registers the test once for each transport there is. */
export function contract(title: string, body: (ground: Ground, t: TestContext) => Promise<void>): void {
  for (const kind of transportKinds) {
    test(`${kind.title}: ${title}`, async (t) => {
      if (!requireTransport(t, kind)) return;
      const ground = new Ground(kind.create());
      try {
        await body(ground, t);
      } catch (error) {
        // What failed is more telling than what it left behind.
        await ground.abandon();
        throw error;
      }
      await ground.finish();
    });
  }
}

/** Both ends of one connection that a raw client opened. */
export interface Pair extends AsyncDisposable {
  readonly tap: Tap;
  readonly peer: RawPeer;
}

export class Ground {
  readonly transport: Transport;
  readonly taps: Tap[] = [];
  readonly acceptErrors: Error[] = [];
  readonly faults: string[] = [];
  /** What a test leaves to be undone once everything is closed. */
  readonly after = new DisposableStack();
  /** Calls on the transport that are on the stack now. */
  depth = 0;
  readonly #listeners = new Map<Listener, Promise<void> | null>();

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Listens on a free port of 127.0.0.1; each connection gets a tap with these reactions, or is refused. */
  async listen(
    options: Partial<ListenOptions> = {},
    accept: (ground: Ground) => Reactions | null = () => ({}),
  ): Promise<Listener> {
    const listener = await this.transport.listen(
      {
        host: "127.0.0.1",
        port: 0,
        backlog: 511,
        reusePort: false,
        onAcceptError: (error) => this.acceptErrors.push(error),
        ...options,
      },
      (connection) => {
        if (this.depth > 0) this.faults.push("accept inside a call");
        const reactions = accept(this);
        return reactions === null ? null : this.#newTap(reactions, connection);
      },
    );
    this.#listeners.set(listener, null);
    return listener;
  }

  /** Closes it as its owner would; harmless when it is closed already. */
  close(listener: Listener): Promise<void> {
    const closed = this.#listeners.get(listener) ?? listener.close();
    this.#listeners.set(listener, closed);
    return closed;
  }

  connect(host: string, port: number, reactions: Reactions = {}): Tap {
    const tap = this.#newTap(reactions, null);
    tap.attach(this.inCall(() => this.transport.connect({ host, port }, tap)));
    return tap;
  }

  /** A raw client of a listener, and the tap on our end. */
  async pair(listener: Listener): Promise<Pair> {
    const before = this.taps.length;
    const peer = await connectRaw(listener.port, listener.address === "::" ? "127.0.0.1" : listener.address);
    await eventually(() => this.taps.length > before, "the connection is accepted");
    return { peer, tap: this.taps[before]!, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
  }

  /** One connection accepted, with a listener of its own. */
  async accepted(reactions: Reactions = {}): Promise<Pair> {
    return await this.pair(await this.listen({}, () => reactions));
  }

  /** One connection made, to a raw origin of its own. */
  async connected(reactions: Reactions = {}): Promise<Pair> {
    await using started = new AsyncDisposableStack();
    const origin = started.use(await RawOrigin.start());
    const tap = this.connect("127.0.0.1", origin.port, reactions);
    const peer = await origin.connection();
    await eventually(() => tap.events.includes("connect"), "the connection is established");
    const owner = started.move();
    return { peer, tap, [Symbol.asyncDispose]: () => owner.disposeAsync() };
  }

  /** Holds closed connections against the promises, and keeps them no longer. */
  forgetClosed(): void {
    const open = this.taps.filter(({ closed }) => !closed);
    for (const tap of this.taps) if (tap.closed) assertEndedWell(tap);
    this.taps.splice(0, this.taps.length, ...open);
  }

  inCall<T>(call: () => T): T {
    this.depth++;
    try {
      return call();
    } finally {
      this.depth--;
    }
  }

  /** Ends everything, and holds what happened against the promises. */
  async finish(): Promise<void> {
    for (const tap of this.taps) tap.destroy(false);
    const listeners = [...this.#listeners.keys()];
    await Promise.all(listeners.map((listener) => this.close(listener)));
    await Promise.all(listeners.map(({ ended }) => ended));
    await eventually(() => this.taps.every(({ events }) => events.includes("close")), "every connection is closed");
    await this.transport.close();
    this.after.dispose();
    for (const tap of this.taps) assertEndedWell(tap);
    assert.deepEqual(this.faults, []);
  }

  /** Ends everything without looking. */
  async abandon(): Promise<void> {
    for (const tap of this.taps) tap.destroy(false);
    for (const listener of this.#listeners.keys()) void this.close(listener);
    await this.transport.close();
    this.after.dispose();
  }

  #newTap(reactions: Reactions, connection: Connection | null): Tap {
    const tap = new Tap(this, reactions);
    if (connection !== null) tap.attach(connection);
    this.taps.push(tap);
    return tap;
  }
}

function assertEndedWell({ events, connection }: Tap): void {
  assert.equal(events.filter((event) => event === "close").length, 1, `onClose once: ${events.join()}`);
  assert.equal(events.at(-1), "close", `onClose last: ${events.join()}`);
  assert.ok(events.filter((event) => event === "end").length <= 1, `onEnd once: ${events.join()}`);
  assert.equal(connection.queuedBytes, 0, "nothing is queued on a closed connection");
}

/** Writes down what a connection says, answers with the test's reactions, and is the only one to call it. */
export class Tap implements ConnectionHandler {
  readonly events: Event[] = [];
  readonly reactions: Reactions;
  error: NodeJS.ErrnoException | null = null;
  receivedBytes = 0;
  /** Of what the last onData brought. */
  lastBytes = 0;
  /** Went to another connection unseen. */
  forwardedBytes = 0;
  paused = false;
  readonly #ground: Ground;
  readonly #pieces: Buffer[] = [];
  #leaving = false;
  #connection: Connection | null = null;
  /** What the onData that is running was given. */
  #arrived: readonly [bytes: Buffer, from: number, to: number] | null = null;

  constructor(ground: Ground, reactions: Reactions) {
    this.#ground = ground;
    this.reactions = reactions;
  }

  attach(connection: Connection): void {
    this.#connection = connection;
  }

  get connection(): Connection {
    return this.#connection!;
  }

  /** Everything that arrived, in order. */
  get received(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get closed(): boolean {
    return this.events.includes("close");
  }

  /** The same, and it is not kept. */
  take(): Buffer {
    return Buffer.concat(this.#pieces.splice(0));
  }

  /** How often that was heard of. */
  count(event: Event): number {
    return this.events.filter((candidate) => candidate === event).length;
  }

  send(bytes: Buffer): boolean {
    return this.#ground.inCall(() => {
      bytes.copy(this.connection.reserve(bytes.length));
      return this.connection.send(bytes.length);
    });
  }

  sendWith(head: Buffer, bytes: Buffer, from = 0, to = bytes.length): boolean {
    return this.#ground.inCall(() => {
      head.copy(this.connection.reserve(head.length + to - from));
      return this.connection.sendWith(head.length, bytes, from, to);
    });
  }

  /** Inside a reaction to data: sends on `other` what has arrived, behind `head`. */
  passOn(head: Buffer, other: Tap): boolean {
    return other.sendWith(head, ...this.#arrived!);
  }

  forward(other: Tap, bytes: number): void {
    this.#ground.inCall(() => this.connection.forward(other.connection, bytes, this));
  }

  pause(): void {
    this.paused = true;
    this.#ground.inCall(() => this.connection.pause());
  }

  resume(): void {
    this.paused = false;
    this.#ground.inCall(() => this.connection.resume());
  }

  end(): void {
    this.#ground.inCall(() => this.connection.end());
  }

  close(): void {
    this.#leaving = true;
    this.#ground.inCall(() => this.connection.close());
  }

  destroy(reset: boolean): void {
    this.#leaving = true;
    this.#ground.inCall(() => this.connection.destroy(reset));
  }

  onConnect(): void {
    this.#happened("connect");
  }

  onData(bytes: Buffer, from: number, to: number): void {
    if (to <= from) this.#ground.faults.push("onData without a byte");
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
    this.receivedBytes += to - from;
    this.lastBytes = to - from;
    this.#arrived = [bytes, from, to];
    this.#happened("data");
    this.#arrived = null;
  }

  onForwarded(bytes: number): void {
    if (bytes <= 0) this.#ground.faults.push("onForwarded without a byte");
    this.forwardedBytes += bytes;
    this.#happened("forwarded");
  }

  onDrain(): void {
    this.#happened("drain");
  }

  onEnd(): void {
    this.#happened("end");
  }

  onClose(error: Error | null): void {
    this.error = error;
    this.#happened("close");
  }

  #happened(event: Event): void {
    const { faults, depth } = this.#ground;
    if (depth > 0) faults.push(`${event} inside a call`);
    if (this.closed) faults.push(`${event} after close`);
    if (this.paused && (event === "data" || event === "forwarded" || event === "end"))
      faults.push(`${event} while paused`);
    if (this.#leaving && event !== "close") faults.push(`${event} after close() or destroy()`);
    this.events.push(event);
    this.reactions[event]?.(this);
  }
}

/** Bytes that tell their place: a hole, a swap or a repetition shows. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++) {
    const at = from + index;
    bytes[index] = (at ^ ((at >>> 8) * 31) ^ ((at >>> 16) * 17)) & 255;
  }
  return bytes;
}
