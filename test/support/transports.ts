// SPDX-License-Identifier: Apache-2.0
// Networks that misbehave where loopback cannot: decorators of the real transport.

import { Buffer } from "node:buffer";

import { createNodeTransport, type DataPlaneDeps } from "../../src/proxy/index.ts";

type Transport = DataPlaneDeps["transport"];
type Connection = ReturnType<Transport["connect"]>;
type ConnectionHandler = Parameters<Transport["connect"]>[1];

/** TEST-NET-1 (RFC 5737): nobody answers a connect to it. */
export const silentAddress = "192.0.2.1";

/** Connects to `silentAddress` get no answer at all; everything else is real. */
export function silentTransport(): Transport {
  const real = createNodeTransport();
  return {
    name: real.name,
    listen: (options, accept) => real.listen(options, accept),
    connect: (options, handler) =>
      options.host === silentAddress ? new SilentConnection(handler) : real.connect(options, handler),
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
