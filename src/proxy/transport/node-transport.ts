// SPDX-License-Identifier: Apache-2.0
// The transport over node:net. Reads land in one buffer shared by every connection of the thread, because they are
// consumed during the callback; writes are gathered over a turn of the event loop (turn-writes.ts).

import { Buffer } from "node:buffer";
import { createServer, Socket, type Server } from "node:net";

import { systemClock, type Clock } from "../../core/index.ts";
import { DirectWriter } from "./direct-writer.ts";
import { threadSample } from "./thread-sample.ts";
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  ListenOptions,
  Transport,
  TransportListener,
} from "./transport.ts";
import { defaultBusyEvents, TurnWrites, type Writer } from "./turn-writes.ts";

/** A head and 64 KiB of body by one read; as much again is written from, and both fit into a core's cache. */
const readBufferBytes = 128 * 1024;
/** Queued bytes above which `send` asks the sender to wait. Equal to the sockets' own mark, so that drain fires. */
const highWaterBytes = 64 * 1024;
/** Turns of the event loop after which a listener closes although clients keep coming. */
const maxClosingTurns = 4_096;
/** Turns within which a short one may be hoped for. */
const patientTurns = 256;
const shortTurnMs = 0.1;
const nothing = Buffer.alloc(0);
/** TCP keep-alive finds peers that vanished without a word. */
const socketOptions = {
  allowHalfOpen: true,
  highWaterMark: highWaterBytes,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
} as const;

/** Works everywhere Node does; plain TCP over IPv4 and IPv6, and Unix sockets. `busyEvents`: see TurnWrites. */
export function createNodeTransport(clock: Clock = systemClock, busyEvents: number = defaultBusyEvents): Transport {
  const memory = new SharedMemory(busyEvents);
  return {
    name: "node",
    batch: () => memory.writes.batch(),
    listen: (options, accept) => listen(memory, clock, options, accept),
    connect(options, handler) {
      const connection = new NodeConnection(memory, null, handler);
      connection.open(options);
      return connection;
    },
    samples: () => [threadSample("node")],
    close: () => memory.users.untilNone(),
  };
}

/** What the connections of a thread read into and write from, and how many they are. */
class SharedMemory {
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(readBufferBytes);
  readonly writes: TurnWrites;
  readonly users: Users = new Users();

  constructor(busyEvents: number) {
    this.writes = new TurnWrites(busyEvents);
  }
}

/** Counts connections that are not closed yet. */
class Users {
  #count = 0;
  #onUnused: (() => void) | null = null;

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count === 0) this.#onUnused?.();
  }

  untilNone(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#count === 0) resolve();
    else this.#onUnused = resolve;
    return promise;
  }
}

class NodeConnection implements Connection, Writer {
  readonly #memory: SharedMemory;
  /** Who else was accepted by its listener; null when it is outgoing. */
  readonly #siblings: Users | null;
  #handler: ConnectionHandler | null;
  #socket: Socket | null = null;
  #writer: DirectWriter | null = null;
  #connected = false;
  #paused = false;
  /** Sent, but not yet written to the socket. */
  #postedBytes = 0;
  /** `send` returned false and onDrain is still to come. */
  #blocked = false;
  /** `end` was called: nothing more is sent. */
  #ended = false;
  /** `close` or `destroy` was called: the handler hears of nothing but the close. */
  #leaving = false;
  #closed = false;
  #error: Error | null = null;
  remoteAddress = "";
  remotePort = 0;
  localAddress = "";
  localPort = 0;

  constructor(memory: SharedMemory, siblings: Users | null, handler: ConnectionHandler | null) {
    this.#memory = memory;
    this.#siblings = siblings;
    this.#handler = handler;
  }

  get queuedBytes(): number {
    if (this.#closed || this.#socket === null) return 0;
    return this.#postedBytes + this.#writer!.queuedBytes + this.#socket.writableLength;
  }

  open({ host, port }: ConnectOptions): void {
    const socket = new Socket({ ...socketOptions, onread: this.#onread() });
    const isUnix = isUnixPath(host);
    this.remoteAddress = host;
    this.remotePort = isUnix ? 0 : port;
    this.#attach(socket);
    socket.on("connect", () => {
      this.#connected = true;
      this.#rememberOurEnd(socket);
      if (!this.#leaving) this.#handler?.onConnect();
    });
    socket.connect(isUnix ? { path: host } : { host, port });
  }

  /** Takes over a socket that a server accepted. */
  adopt(accepted: Socket, server: Server, accept: (connection: Connection) => ConnectionHandler | null): void {
    this.remoteAddress = plainAddress(accepted.remoteAddress ?? "");
    this.remotePort = accepted.remotePort ?? 0;
    this.#rememberOurEnd(accepted);
    const handler = accept(this);
    if (handler === null) {
      this.#closed = true;
      accepted.on("error", ignoreRefusedPeer);
      this.#reset(accepted);
      return;
    }
    this.#handler = handler;
    this.#connected = true;
    const handle = takeHandle(accepted, server);
    if (handle === null) {
      this.#attach(accepted);
      accepted.on("data", (bytes: Buffer) => {
        if (!this.#leaving) this.#handler?.onData(bytes, 0, bytes.length);
      });
      accepted.resume();
      return;
    }
    const socket = new Socket({ ...socketOptions, onread: this.#onread(), handle } as object);
    Reflect.set(socket, "_server", server);
    this.#attach(socket);
  }

  reserve(bytes: number): Buffer {
    return this.#memory.writes.reserve(bytes);
  }

  send(length: number): boolean {
    const socket = this.#socket;
    if (socket === null || !this.#connected || this.#ended || this.#leaving || this.#closed) return true;
    if (length > 0 && this.#memory.writes.post(this, length)) this.#postedBytes += length;
    this.#blocked = socket.writableNeedDrain || this.#writer!.queuedBytes >= highWaterBytes;
    return !this.#blocked;
  }

  write(bytes: Buffer): boolean {
    this.#postedBytes = 0;
    if (this.#leaving || this.#closed) return true;
    return this.#writer!.write(bytes);
  }

  sendWith(length: number, bytes: Buffer, from: number, to: number): boolean {
    const whole = length + to - from;
    bytes.copy(this.#memory.writes.lent, length, from, to);
    return this.send(whole);
  }

  forward(): void {
    // Everything comes by onData: what libuv reads it reads into memory.
  }

  pause(): void {
    this.#paused = true;
    if (!this.#leaving) this.#socket?.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#leaving) return;
    this.#socket?.resume();
  }

  end(): void {
    if (!this.#connected) {
      this.destroy(false);
      return;
    }
    if (this.#ended || this.#leaving || this.#closed) return;
    this.#writePosted();
    this.#ended = true;
    this.#afterFlush((socket) => {
      if (!this.#leaving) socket.end();
    });
  }

  close(): void {
    if (this.#leaving || this.#closed) return;
    if (!this.#connected) {
      this.destroy(false);
      return;
    }
    this.#writePosted();
    this.#leaving = true;
    this.#afterFlush((socket) => socket.destroy());
  }

  destroy(abort: boolean): void {
    const socket = this.#socket;
    if (socket === null || this.#closed) return;
    this.#leaving = true;
    if (!abort || !this.#connected) socket.destroy();
    // libuv cannot reset what it is about to shut down. The flush is over by then, so this takes one turn.
    else if (socket.writableEnded && !socket.writableFinished) socket.once("finish", () => this.#reset(socket));
    else this.#reset(socket);
  }

  #writePosted(): void {
    if (this.#postedBytes > 0) this.#memory.writes.flush();
  }

  /**
   * What the stream's own end() and destroySoon() do, but libuv hears of a shutdown only when there is nothing left to
   * flush: until then it refuses to reset, and `destroy` must be able to.
   */
  #afterFlush(action: (socket: Socket) => void): void {
    const socket = this.#socket!;
    if (socket.writableLength === 0 && this.#writer!.queuedBytes === 0) {
      action(socket);
      return;
    }
    socket.write(nothing, (error) => {
      if (!error) action(socket);
    });
  }

  #onread(): { buffer: Buffer; callback: (length: number, bytes: Buffer) => boolean } {
    return {
      buffer: this.#memory.readBuffer,
      callback: (length, bytes) => {
        if (!this.#leaving) this.#handler?.onData(bytes, 0, length);
        return !this.#paused || this.#leaving;
      },
    };
  }

  #attach(socket: Socket): void {
    const onDrain = (): void => {
      if (!this.#blocked || this.#ended || this.#leaving) return;
      this.#blocked = false;
      this.#handler?.onDrain();
    };
    this.#socket = socket;
    this.#writer = new DirectWriter(socket, onDrain);
    this.#memory.users.enter();
    this.#siblings?.enter();
    socket.on("drain", onDrain);
    socket.on("end", () => {
      if (!this.#leaving) this.#handler?.onEnd();
    });
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      const handler = this.#handler;
      this.#closed = true;
      this.#handler = null;
      handler?.onClose(this.#leaving ? null : this.#error);
      this.#siblings?.leave();
      this.#memory.users.leave();
    });
  }

  /** Closes by RST where there is such a thing: where there are ports. */
  #reset(socket: Socket): void {
    if (this.remotePort === 0) socket.destroy();
    else socket.resetAndDestroy();
  }

  /** Asked of the kernel while it still knows: the address of a connection is logged when it is gone. */
  #rememberOurEnd(socket: Socket): void {
    this.localAddress = plainAddress(socket.localAddress ?? "");
    this.localPort = socket.localPort ?? 0;
  }
}

async function listen(
  memory: SharedMemory,
  clock: Clock,
  options: ListenOptions,
  accept: (connection: Connection) => ConnectionHandler | null,
): Promise<TransportListener> {
  let accepted = 0;
  const users = new Users();
  const server = createServer({ ...socketOptions, pauseOnConnect: true }, (socket) => {
    accepted++;
    new NodeConnection(memory, users, null).adopt(socket, server, accept);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  const { host, port, backlog, reusePort } = options;
  const where = isUnixPath(host) ? { path: host } : { host: host === "" ? "::" : host, port, reusePort };
  server.listen({ ...where, backlog }, resolve);
  try {
    await promise;
  } catch (error) {
    // A kernel without IPv6 still has all of IPv4.
    if (options.host === "" && error instanceof Error && "code" in error && error.code === "EAFNOSUPPORT") {
      return listen(memory, clock, { ...options, host: "0.0.0.0" }, accept);
    }
    throw error;
  }
  server.removeListener("error", reject);
  server.on("error", options.onAcceptError);
  const bound = server.address();
  const { address, port: boundPort } = typeof bound === "string" || bound === null ? { address: host, port: 0 } : bound;
  return {
    address,
    port: boundPort,
    async close() {
      await untilQuiet(clock, () => accepted);
      server.close();
    },
    ended: new Promise<void>((done) => void server.once("close", done)).then(() => users.untilNone()),
  };
}

/**
 * Node takes one connection per turn out of the kernel's queue, and closing the listening socket resets whatever is left
 * in it: clients that are connected as far as they know. So it is closed right after a turn that found none, and a short
 * one, since more may have come during a long one.
 */
async function untilQuiet(clock: Clock, accepted: () => number): Promise<void> {
  await nextTurn();
  for (let turn = 0; turn < maxClosingTurns; turn++) {
    const before = accepted();
    const startMs = clock.nowMs();
    await nextTurn();
    const isShort = clock.nowMs() - startMs < shortTurnMs;
    if (accepted() === before && (isShort || turn >= patientTurns)) return;
  }
}

function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}

/**
 * The accepted socket's handle, moved out of it, so that a socket with `onread` can be put around it: node:net offers
 * that option for outgoing connections only. null where Node's internals look different; then 'data' events serve.
 */
function takeHandle(accepted: Socket, server: Server): object | null {
  const handle: unknown = Reflect.get(accepted, "_handle");
  if (typeof handle !== "object" || handle === null || Reflect.get(accepted, "_server") !== server) return null;
  Reflect.set(accepted, "_handle", null);
  Reflect.set(accepted, "_server", null);
  return handle;
}

function isUnixPath(host: string): boolean {
  return host.startsWith("/");
}

/** IPv4 addresses seen through an IPv6 socket lose their `::ffff:`. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

function ignoreRefusedPeer(): void {
  // The peer was refused and its socket is gone; what it thinks of that does not matter.
}
