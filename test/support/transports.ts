// SPDX-License-Identifier: Apache-2.0
// Networks that misbehave where loopback cannot: decorators of the real transport.

import { Buffer } from "node:buffer";

import { transportUnderTest, type Connection, type ConnectionHandler, type Transport } from "./transport-under-test.ts";

/** TEST-NET-1 (RFC 5737): nobody answers a connect to it. */
export const silentAddress = "192.0.2.1";

/** Connects to `silentAddress` get no answer at all; everything else is real. */
export function silentTransport(): Transport {
  const real = transportUnderTest.create();
  return {
    name: real.name,
    batch: () => real.batch(),
    samples: () => real.samples(),
    listen: (options, accept) => real.listen(options, accept),
    connect: (options, handler) =>
      options.host === silentAddress ? new SilentConnection(handler) : real.connect(options, handler),
    close: () => real.close(),
  };
}

class SilentConnection implements Connection {
  readonly queuedBytes = 0;
  readonly remoteAddress = silentAddress;
  readonly remotePort = 0;
  readonly localAddress = "";
  readonly localPort = 0;
  readonly #handler: ConnectionHandler;
  #closed = false;

  constructor(handler: ConnectionHandler) {
    this.#handler = handler;
  }

  reserve(bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }

  send(): boolean {
    throw new Error("sent on a connection that was never established");
  }

  sendWith(): boolean {
    return this.send();
  }

  forward(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}

  close(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    setImmediate(() => this.#handler.onClose(null));
  }
}

/** Accepted connections say after each send that their peer reads slowly, until `drain` says that it caught up. */
export class SlowReaders {
  readonly transport: Transport;
  readonly #handlers = new Set<ConnectionHandler>();

  constructor() {
    const real = transportUnderTest.create();
    this.transport = {
      name: real.name,
      batch: () => real.batch(),
      samples: () => real.samples(),
      connect: (options, handler) => real.connect(options, handler),
      close: () => real.close(),
      listen: (options, accept) =>
        real.listen(options, (connection) => {
          const send = (length: number): boolean => {
            connection.send(length);
            return false;
          };
          const sendWith: Connection["sendWith"] = (...all) => {
            connection.sendWith(...all);
            return false;
          };
          const handler = accept(withMembers(connection, { send, sendWith }));
          if (handler !== null) this.#handlers.add(handler);
          return handler;
        }),
    };
  }

  drain(): void {
    for (const handler of this.#handlers) handler.onDrain();
  }
}

/** Upstream connections that say they hold bytes the kernel did not take yet. */
export function unflushedTransport(): Transport {
  const real = transportUnderTest.create();
  return {
    name: real.name,
    batch: () => real.batch(),
    samples: () => real.samples(),
    listen: (options, accept) => real.listen(options, accept),
    connect: (options, handler) => withMembers(real.connect(options, handler), { queuedBytes: 1 }),
    close: () => real.close(),
  };
}

/** `whole` with some members replaced. */
function withMembers<T extends object>(whole: T, members: Partial<T>): T {
  return new Proxy(whole, {
    get(target, key): unknown {
      if (Object.hasOwn(members, key)) return Reflect.get(members, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Remembers the most bytes any connection had queued in user space, and what was read from clients. */
export class MeasuredTransport {
  readonly transport: Transport;
  maxQueuedBytes = 0;
  receivedBytes = 0;

  constructor(real: Transport = transportUnderTest.create()) {
    this.transport = {
      name: real.name,
      batch: () => real.batch(),
      samples: () => real.samples(),
      connect: (options, handler) => this.#measured(real.connect(options, handler)),
      close: () => real.close(),
      listen: (options, accept) =>
        real.listen(options, (connection) => {
          const handler = accept(this.#measured(connection));
          return handler && this.#counted(handler);
        }),
    };
  }

  #counted(handler: ConnectionHandler): ConnectionHandler {
    const onData = (bytes: Buffer, from: number, to: number): void => {
      this.receivedBytes += to - from;
      handler.onData(bytes, from, to);
    };
    return withMembers(handler, { onData });
  }

  #measured(connection: Connection): Connection {
    const measured = (mayGoOn: boolean): boolean => {
      this.maxQueuedBytes = Math.max(this.maxQueuedBytes, connection.queuedBytes);
      return mayGoOn;
    };
    const send = (length: number): boolean => measured(connection.send(length));
    const sendWith: Connection["sendWith"] = (...all) => measured(connection.sendWith(...all));
    return withMembers(connection, { send, sendWith });
  }
}
