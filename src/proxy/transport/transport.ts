// SPDX-License-Identifier: Apache-2.0
// The line between protocols and I/O. Above it nothing knows a socket, a stream, a promise or a file descriptor; below
// it nothing knows HTTP. Implementations: `node` (node:net), later `uring`.
//
// Ownership:
// - Bytes given to onData belong to the transport and are valid only during the call; copy what must outlive it.
// - Bytes to send are written into memory the transport lends (`reserve`) and handed over by `send`. Lent memory is
//   valid until the next call on any connection of the transport; fill and send it at once.
// - No callback runs inside reserve, send, pause, resume, end or destroy: handlers are never re-entered.

/** Callbacks of one connection. Methods of a long-lived object, not closures. */
export interface ConnectionHandler {
  /** An outgoing connection is established. Never called on accepted ones. */
  onConnect(): void;
  /** `bytes[from, to)` arrived. */
  onData(bytes: Buffer, from: number, to: number): void;
  /** Everything queued has been handed to the kernel, after a `send` returned false. */
  onDrain(): void;
  /** The peer has finished sending (FIN). The other direction stays open until `end` or `destroy`. */
  onEnd(): void;
  /** Last call, exactly once, also after our own destroy. `error` is null after an orderly close. */
  onClose(error: Error | null): void;
}

export interface Connection {
  /** Memory for at least `bytes` bytes; fill from offset 0. */
  reserve(bytes: number): Buffer;
  /** Sends the first `length` reserved bytes. False: the peer reads slowly, wait for onDrain before more. */
  send(length: number): boolean;
  /** Stops onData; the peer is slowed by its window. */
  pause(): void;
  resume(): void;
  /** Half-close after everything sent is flushed. */
  end(): void;
  /** Flushes what was sent, then closes both directions. */
  close(): void;
  /** Closes at once, dropping what is queued. `reset` sends RST, so that the peer sees an abort and not an end. */
  destroy(reset: boolean): void;
  /** Bytes queued in user space, not yet taken by the kernel. */
  readonly queuedBytes: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ListenOptions {
  /** "" = all addresses, IPv4 and IPv6. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly backlog: number;
  /** SO_REUSEPORT: several threads listen on one address and the kernel spreads connections over them. */
  readonly reusePort: boolean;
  /** A connection was lost while accepting it (EMFILE, ECONNABORTED); the listener goes on. */
  readonly onAcceptError: (error: Error) => void;
}

export interface TransportListener {
  readonly address: string;
  readonly port: number;
  /**
   * Accepts what clients see as connected already, then stops accepting; accepted connections live on. Resolves when the
   * port is free. Call it once.
   */
  close(): Promise<void>;
  /** Resolves when, after `close`, the last accepted connection is gone too. */
  readonly ended: Promise<void>;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
}

export interface Transport {
  readonly name: "node" | "uring";
  /**
   * `accept` is called for each connection and returns its handler, or null to refuse it at once. Rejects with the
   * system's error (EADDRINUSE, EACCES) when the address cannot be bound.
   */
  listen(
    options: ListenOptions,
    accept: (connection: Connection) => ConnectionHandler | null,
  ): Promise<TransportListener>;
  /** Starts connecting; onConnect or onClose tells the outcome, never before this returns. */
  connect(options: ConnectOptions, handler: ConnectionHandler): Connection;
}
