// SPDX-License-Identifier: Apache-2.0
// The line between protocols and I/O. Above it nothing knows a socket, a stream, a promise or a file descriptor; below
// it nothing knows HTTP. Implementations: `node` (node:net) and `uring` (io_uring). test/transport/ holds both to every
// sentence.
//
// Ownership:
// - Bytes given to onData belong to the transport and are valid only during the call; copy what must outlive it.
// - Bytes to send are written into memory the transport lends (`reserve`) and handed over by `send`. Lent memory is
//   valid until the next call on any connection of the transport; fill and send it at once.
// - No callback runs inside a call on a connection, or inside `connect`: handlers are never re-entered.
//
// A connection's life: onConnect (outgoing ones only), then any of onData, onDrain and onEnd, then onClose. After
// `close` or `destroy` only onClose comes. After onClose every call is harmless and does nothing.

import type { Sample } from "../../telemetry/port.ts";

/** Callbacks of one connection. Methods of a long-lived object, not closures. They must not throw. */
export interface ConnectionHandler {
  /** An outgoing connection is established. Never called on accepted ones. */
  onConnect(): void;
  /** `bytes[from, to)` arrived; at least one byte. */
  onData(bytes: Buffer, from: number, to: number): void;
  /** Everything queued has been handed to the kernel: once after a `send` returned false, unless `end` was called. */
  onDrain(): void;
  /**
   * The peer has finished sending (FIN), at most once, after all of its bytes. The other direction stays open until
   * `end` or `destroy`; when that has ended already, onClose follows by itself.
   */
  onEnd(): void;
  /**
   * Last call, exactly once, also after our own destroy. `error` is null after an orderly close: both sides have
   * finished, or we called `close` or `destroy`. Otherwise it is the system's, with its `code`: ECONNREFUSED,
   * ECONNRESET, EPIPE, ETIMEDOUT and so on.
   */
  onClose(error: Error | null): void;
}

/** Hears of bytes that went by unseen. */
export interface ForwardEvents {
  /** So many bytes, at least one, went on; in order with those of onData. */
  onForwarded(bytes: number): void;
}

/** While `accept` runs, ask an accepted connection for its addresses only. */
export interface Connection {
  /** Memory for at least `bytes` bytes; fill from offset 0. */
  reserve(bytes: number): Buffer;
  /**
   * Sends the first `length` reserved bytes; 0 sends nothing. False: the peer reads slowly, wait for onDrain before
   * more; what is sent nevertheless is queued. Before onConnect, and after `end`, `close`, `destroy` or onClose, the
   * bytes are dropped and the result is true.
   */
  send(length: number): boolean;
  /**
   * Sends the first `length` reserved bytes, which may be none, and behind them `bytes[from, to)`, for which there must be
   * room in what was reserved. Inside the onData that was given these bytes they need not be copied; else it is `send`.
   */
  sendWith(length: number, bytes: Buffer, from: number, to: number): boolean;
  /**
   * The next `bytes` bytes to be received are meant for `to`, behind what was sent there, and nobody has to see them: they
   * may go there at once, as far as it has room. `events` hears of those; others come by onData as ever, and are to be
   * sent. When something that nobody said has arrived behind them, the last of them come by onData together with it.
   * To be called inside onData, after everything that is sent on `to`.
   */
  forward(to: Connection, bytes: number, events: ForwardEvents): void;
  /**
   * No onData and no onEnd until `resume`, not even for bytes that have arrived already; none are lost. The peer is
   * slowed by its window. How a paused connection ends may go unnoticed until it is resumed or sent to.
   */
  pause(): void;
  resume(): void;
  /** Half-close after everything sent is flushed. Receiving goes on. Before onConnect it is `destroy(false)`. */
  end(): void;
  /**
   * Flushes what was sent, then closes both directions; takes as long as the peer takes to read it. What the peer still
   * sends is dropped, and may make the kernel answer with RST. Before onConnect it is `destroy(false)`.
   */
  close(): void;
  /**
   * Closes at once, dropping what is queued, also in the middle of `close`. `reset` sends RST, so that the peer sees an
   * abort and not an end; Unix sockets have no such thing.
   */
  destroy(reset: boolean): void;
  /** Bytes queued in user space; 0 when the kernel has taken all. */
  readonly queuedBytes: number;
  /** What was connected to, or who was accepted. IPv4 is never written as `::ffff:…`. "" and 0: a Unix socket's client. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Known from accept or onConnect on, also after onClose; "" and 0 before, and of Unix sockets. */
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ListenOptions {
  /**
   * An IP address or a name for one; "" = all addresses, IPv4 and IPv6; or the absolute path of a Unix socket, whose
   * file must not exist, and is removed by `close` when it is still there.
   */
  readonly host: string;
  /** 0 = any free port. Unused with a Unix socket. */
  readonly port: number;
  readonly backlog: number;
  /** SO_REUSEPORT: several threads listen on one address and the kernel spreads connections over them. */
  readonly reusePort: boolean;
  /**
   * A connection could not be accepted (EMFILE, ECONNABORTED); the listener goes on. Without file descriptors `uring` lets
   * connections wait; of `node`, libuv turns them away without a word.
   */
  readonly onAcceptError: (error: Error) => void;
}

export interface TransportListener {
  /** Where it is bound: an IP address, or the path of a Unix socket, whose port is 0. */
  readonly address: string;
  readonly port: number;
  /**
   * Accepts what clients see as connected already, then stops accepting; accepted connections live on. Resolves when the
   * port is free. Call it once.
   */
  close(): Promise<void>;
  /** Resolves when, after `close`, onClose of the last accepted connection is through. Refused ones do not count. */
  readonly ended: Promise<void>;
}

export interface ConnectOptions {
  /** An IP address, or the absolute path of a Unix socket. */
  readonly host: string;
  /** Unused with a Unix socket. */
  readonly port: number;
}

export interface Transport {
  readonly name: "node" | "uring";
  /**
   * Stays the same while one batch of events from the kernel is worked off, and grows with the next. What onData first
   * delivers in the batch of a `send` was received before it, and so is no answer to it.
   */
  batch(): number;
  /**
   * `accept` is called for each connection and returns its handler, or null to refuse it at once by RST. Rejects with
   * the system's error (EADDRINUSE, EACCES) when the address cannot be bound.
   */
  listen(
    options: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<TransportListener>;
  /** Starts connecting; onConnect or onClose tells the outcome, never before this returns. */
  connect(options: ConnectOptions, handler: ConnectionHandler): Connection;
  /** Its own numbers, for Prometheus; those of several threads are added up. */
  samples(): readonly Sample[];
  /**
   * Gives back what the transport itself holds of the system. Call it once, last: after every listener's `close` and
   * with every connection closed or destroyed; waits for the onClose of those that are not through yet.
   */
  close(): Promise<void>;
}
