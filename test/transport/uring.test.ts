// SPDX-License-Identifier: Apache-2.0
// What only the uring transport can get wrong: threads that die with a ring, buffers that run out, sandboxes that
// forbid it, and the event loop beside it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once, type EventEmitter } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

import { systemClock, type Clock } from "../../src/core/index.ts";
import { closeLeftFiles, createLedgerMemory, probeUring } from "../../src/platform/index.ts";
import { createUringTransport } from "../../src/proxy/index.ts";
import { requireTransport } from "../support/requires.ts";
import {
  transportKinds,
  type Connection,
  type ConnectionHandler,
  type Transport,
} from "../support/transport-under-test.ts";
import type { EchoSetup } from "./support/echo-thread.ts";

const uring = transportKinds.find(({ name }) => name === "uring")!;
const platform = new URL("../../src/platform/index.ts", import.meta.url).href;

interface EchoThread {
  readonly worker: Worker;
  readonly port: number;
  readonly ledger: SharedArrayBuffer;
}

async function startEchoThread(): Promise<EchoThread> {
  const ledger = createLedgerMemory();
  const setup: EchoSetup = { ledger };
  const worker = new Worker(new URL("./support/echo-thread.ts", import.meta.url), { workerData: setup });
  const [port] = (await once(worker, "message")) as [number];
  return { worker, port, ledger };
}

/** Connected, and its first bytes came back. */
async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write("hello");
  await once(socket, "data");
  return socket;
}

/** Resolves with `event`, also after an error. */
function ended(emitter: EventEmitter, event: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  emitter.on("error", () => undefined).once(event, () => resolve());
  return promise;
}

const ends: Readonly<Record<string, (worker: Worker) => void>> = {
  "is terminated": (worker) => void worker.terminate(),
  "is terminated in a callback": (worker) => {
    worker.postMessage("spin");
    void worker.terminate();
  },
  "exits by itself": (worker) => worker.postMessage("exit"),
  throws: (worker) => worker.postMessage("throw"),
};

for (const [how, end] of Object.entries(ends)) {
  test(`a thread that ${how} leaves nothing open, and the process lives`, async (t) => {
    if (!requireTransport(t, uring)) return;
    const { worker, port, ledger } = await startEchoThread();
    const sockets = await Promise.all(Array.from({ length: 5 }, () => connected(port)));
    const busy = sockets[0]!;
    busy.on("data", (bytes) => busy.write(bytes)).write("round and round");
    const closed = sockets.map((socket) => ended(socket, "close"));
    const exited = ended(worker, "exit");
    end(worker);
    await exited;
    // Five connections, both ends of the thread's own, the listener and the ring.
    assert.equal(closeLeftFiles(ledger), 9);
    await Promise.all(closed);
    const late = connect(port, "127.0.0.1");
    await ended(late, "close");
    assert.equal(late.bytesRead + late.bytesWritten, 0);
    assert.equal(late.readyState, "closed");
  });
}

async function withTransport(
  t: TestContext,
  bufferBytes: number,
  body: (transport: Transport) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  if (!requireTransport(t, uring)) return;
  const transport = createUringTransport({ clock, ledger: null }, { bufferBytes, coalesces: true, check: true });
  await body(transport);
  await transport.close();
}

/** Sends back what comes, and pauses while the other side is slow. */
function echo(connection: Connection): ConnectionHandler {
  return {
    onConnect: () => undefined,
    onData(bytes, from, to) {
      bytes.copy(connection.reserve(to - from), 0, from, to);
      if (!connection.send(to - from)) connection.pause();
    },
    onDrain: () => connection.resume(),
    onEnd: () => connection.end(),
    onClose: () => undefined,
  };
}

test("with one buffer for all, everybody is served", async (t) => {
  await withTransport(t, 1, async (transport) => {
    const listener = await transport.listen(
      { host: "127.0.0.1", port: 0, backlog: 128, reusePort: false, onAcceptError: (error) => assert.fail(error) },
      echo,
    );
    const clients = await Promise.all(Array.from({ length: 40 }, () => connected(listener.port)));
    const all = clients.map(async (client, index) => {
      // Small ones and bodies: the buffer runs out, and is left for the memory that bodies are read into.
      const sent = Buffer.alloc(index % 2 === 0 ? 3_000 : 500_000, index);
      const parts: Buffer[] = [];
      client.on("data", (bytes: Buffer) => parts.push(bytes));
      client.end(sent);
      await once(client, "close");
      assert.ok(Buffer.concat(parts).equals(sent), `client ${index} got back what it sent`);
    });
    await Promise.all(all);
    await listener.close();
    await listener.ended;
  });
});

test("bodies that all arrive at once are read in turn", async (t) => {
  await withTransport(t, 1, async (transport) => {
    const body = Buffer.alloc(300_000, "body");
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.on("error", () => undefined));
      if (sockets.length === 40) for (const each of sockets) each.end(body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const all = Array.from({ length: 40 }, async () => {
      const parts: Buffer[] = [];
      const { promise, resolve } = Promise.withResolvers<Error | null>();
      const connection = transport.connect(
        { host: "127.0.0.1", port },
        {
          onConnect: () => undefined,
          onData: (bytes, from, to) => parts.push(Buffer.from(bytes.subarray(from, to))),
          onDrain: () => undefined,
          onEnd: () => connection.close(),
          onClose: resolve,
        },
      );
      assert.equal(await promise, null);
      assert.ok(Buffer.concat(parts).equals(body));
    });
    await Promise.all(all);
    server.close();
  });
});

test("promises and timers have their turn although the ring has nothing to wait for", async (t) => {
  await withTransport(t, 1 << 20, async (transport) => {
    const listener = await transport.listen(
      { host: "127.0.0.1", port: 0, backlog: 128, reusePort: false, onAcceptError: (error) => assert.fail(error) },
      echo,
    );
    let rounds = 0;
    const promiseAfter = Promise.withResolvers<number>();
    const timerAfter = Promise.withResolvers<number>();
    const connection = transport.connect(
      { host: "127.0.0.1", port: listener.port },
      {
        onConnect: () => send(),
        onData() {
          if (rounds++ === 100) {
            void Promise.resolve().then(() => promiseAfter.resolve(rounds));
            setTimeout(() => timerAfter.resolve(rounds), 1);
          }
          send();
        },
        onDrain: () => undefined,
        onEnd: () => undefined,
        onClose: () => undefined,
      },
    );
    const send = (): void => {
      connection.reserve(1);
      connection.send(1);
    };
    const [promise, timer] = await Promise.all([promiseAfter.promise, timerAfter.promise]);
    // A round trip takes some 10 µs, so this is many times what they may wait.
    assert.ok(promise < 5_000 && timer < 5_000, `after ${promise} and ${timer} rounds`);
    connection.destroy(false);
    await listener.close();
    await listener.ended;
  });
});

test("timers, immediates and promises of the event loop go on beside a busy ring", async (t) => {
  await withTransport(t, 1 << 20, async (transport) => {
    const listener = await transport.listen(
      { host: "127.0.0.1", port: 0, backlog: 128, reusePort: false, onAcceptError: (error) => assert.fail(error) },
      (connection) => ({
        ...echo(connection),
        onData(bytes, from, to) {
          bytes.copy(connection.reserve(to - from), 0, from, to);
          connection.send(to - from);
          void Promise.resolve().then(() => promises++);
          process.nextTick(() => ticks++);
        },
      }),
    );
    let promises = 0;
    let ticks = 0;
    // The other end is in the same loop: it gets its turns only if the ring lets it.
    const client = await connected(listener.port);
    let rounds = 0;
    client.on("data", (bytes) => {
      rounds++;
      client.write(bytes);
    });
    client.write("x");
    let timers = 0;
    const timer = setInterval(() => timers++, 1);
    for (let turn = 0; turn < 10_000 && (timers < 5 || rounds < 50); turn++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      setImmediate(resolve);
      await promise;
    }
    clearInterval(timer);
    assert.ok(timers >= 5 && rounds >= 50 && promises >= 50 && ticks >= 50, `${timers} ${rounds} ${promises} ${ticks}`);
    client.destroy();
    await listener.close();
    await listener.ended;
  });
});

test("a busy thread waits for company, and who comes alone is served all the same", async (t) => {
  // Where time stands still, whoever does anything is busy.
  const clock = { ...systemClock, nowMs: () => 0 };
  const busyThread = async (transport: Transport): Promise<void> => {
    const listener = await transport.listen(
      { host: "127.0.0.1", port: 0, backlog: 128, reusePort: false, onAcceptError: (error) => assert.fail(error) },
      echo,
    );
    const wanted = (): number =>
      transport.samples().find(({ name }) => name === "naru_uring_coalesced_completions")!.value;
    const open = (onData: () => void): Connection =>
      transport.connect(
        { host: "127.0.0.1", port: listener.port },
        { onConnect: onData, onData, onDrain: () => undefined, onEnd: () => undefined, onClose: () => undefined },
      );
    assert.equal(wanted(), 1);
    const talk = async (connections: number, rounds: number, others: number): Promise<void> => {
      let left = rounds;
      const { promise, resolve } = Promise.withResolvers<void>();
      const silent = Array.from({ length: others }, () => open(() => undefined));
      const talking = Array.from({ length: connections }, () => {
        const connection = open(() => {
          if (--left === 0) resolve();
          connection.reserve(1);
          connection.send(1);
        });
        return connection;
      });
      await promise;
      // Both ends of each, of which hardly any was silent for 256 batches.
      if (connections > 1) assert.ok(wanted() > 16 && wanted() <= (2 * connections + 3) / 4, `for ${wanted()}`);
      for (const connection of [...silent, ...talking]) connection.destroy(false);
    };
    await talk(40, 100_000, 0);
    await talk(1, 2_000, 40);
    assert.equal(wanted(), 1);
    await listener.close();
    await listener.ended;
  };
  await withTransport(t, 1 << 20, busyThread, clock);
});

test("the probe says what forbids io_uring, in one line", async () => {
  const ask = `const { probeUring } = await import(${JSON.stringify(platform)}); console.log(JSON.stringify(probeUring()))`;
  const probe = async (...flags: string[]): Promise<unknown> => {
    const args = [...flags, "--input-type=module", "--eval", ask];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    assert.equal(stderr, "", "and node:ffi is no surprise");
    return JSON.parse(stdout);
  };
  const plain = probeUring();
  // A mistake of ours must not look like a sandbox, or everything here would be skipped.
  assert.match(plain.available ? "kernel" : plain.reason, /kernel|io_uring_setup: |this Node|Access/);
  assert.deepEqual(await probe("--no-experimental-ffi"), { available: false, reason: "this Node has no node:ffi" });
  const forbidden = (await probe("--permission", "--allow-fs-read=*")) as { available: boolean; reason: string };
  assert.equal(forbidden.available, false);
  assert.match(forbidden.reason, /^node:ffi cannot be used: .+$/);
});
