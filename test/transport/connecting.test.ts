// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part three: outgoing connections, from the first call to being established or not.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";

import { eventually, nextTurn } from "../support/proxy-under-test.ts";
import { RawOrigin, refusingPort } from "../support/raw-peer.ts";
import { contract } from "./support/ground.ts";

contract("an outgoing connection says once that it is established, and knows its ends", async (ground) => {
  await using origin = await RawOrigin.start();
  const tap = ground.connect("127.0.0.1", origin.port);
  assert.deepEqual(tap.events, [], "not before connect returns");
  assert.equal(tap.connection.remoteAddress, "127.0.0.1");
  assert.equal(tap.connection.remotePort, origin.port);
  assert.equal(tap.connection.localAddress, "");
  assert.equal(tap.connection.localPort, 0);
  const peer = await origin.connection();
  await eventually(() => tap.events.includes("connect"), "it is established");
  assert.deepEqual(tap.events, ["connect"]);
  assert.equal(tap.connection.localAddress, "127.0.0.1");
  assert.equal(tap.connection.localPort, peer.socket.remotePort);
});

contract("a refused connect closes with the system's code", async (ground) => {
  const tap = ground.connect("127.0.0.1", await refusingPort());
  await eventually(() => tap.closed, "it is closed");
  assert.deepEqual(tap.events, ["close"]);
  assert.equal(tap.error?.code, "ECONNREFUSED");
});

contract("a connect to where no route leads closes with the system's code", async (ground) => {
  // The limited broadcast address: the kernel refuses at once, on every machine.
  const tap = ground.connect("255.255.255.255", 80);
  await eventually(() => tap.closed, "it is closed");
  assert.deepEqual(tap.events, ["close"]);
  assert.match(tap.error?.code ?? "", /^(?:ENETUNREACH|EACCES|EHOSTUNREACH)$/);
});

contract("an outgoing connection goes over IPv6", async (ground) => {
  await using server = createServer((socket) => socket.end("hello"));
  server.listen(0, "::1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const tap = ground.connect("::1", port);
  await eventually(() => tap.events.includes("end"), "the peer has spoken");
  assert.equal(tap.received.toString(), "hello");
  assert.equal(tap.connection.remoteAddress, "::1");
  assert.equal(tap.connection.localAddress, "::1");
  tap.end();
  await eventually(() => tap.closed, "it is closed");
});

for (const [name, leave] of [
  ["destroyed", "drop"],
  ["reset", "reset"],
  ["closed", "close"],
  ["ended", "end"],
] as const) {
  contract(`a connection may be ${name} before it is established`, async (ground) => {
    await using origin = await RawOrigin.start();
    const calls = {
      drop: () => tap.destroy(false),
      reset: () => tap.destroy(true),
      close: () => tap.close(),
      end: () => tap.end(),
    };
    const tap = ground.connect("127.0.0.1", origin.port);
    calls[leave]();
    await eventually(() => tap.closed, "it is closed");
    assert.deepEqual(tap.events, ["close"]);
    assert.equal(tap.error, null);
  });

  contract(`a connection may be ${name} while nobody answers it`, async (ground) => {
    await using silent = await SilentListener.start();
    const calls = {
      drop: () => tap.destroy(false),
      reset: () => tap.destroy(true),
      close: () => tap.close(),
      end: () => tap.end(),
    };
    const tap = ground.connect("127.0.0.1", silent.port);
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    assert.deepEqual(tap.events, []);
    calls[leave]();
    await eventually(() => tap.closed, "it is closed");
    assert.deepEqual(tap.events, ["close"]);
    assert.equal(tap.error, null);
  });
}

contract("what is sent before a connection is established is dropped", async (ground) => {
  await using origin = await RawOrigin.start();
  const tap = ground.connect("127.0.0.1", origin.port, { connect: (self) => void self.send(Buffer.from("on time")) });
  assert.equal(tap.send(Buffer.from("too early")), true);
  const peer = await origin.connection();
  assert.equal(await peer.takeThrough("time"), "on time");
});

contract("a connection may be paused before it is established", async (ground) => {
  await using origin = await RawOrigin.start();
  const tap = ground.connect("127.0.0.1", origin.port);
  tap.pause();
  const peer = await origin.connection();
  peer.send("early words");
  await eventually(() => tap.events.includes("connect"), "it is established");
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  assert.deepEqual(tap.events, ["connect"]);
  tap.resume();
  await eventually(() => tap.receivedBytes === 11, "the words arrive");
});

contract("a connection may be replaced inside its own onClose", async (ground) => {
  await using origin = await RawOrigin.start();
  const refused = await refusingPort();
  const attempts: string[] = [];
  const retry = (port: number, left: number): void => {
    ground.connect("127.0.0.1", port, {
      connect: () => attempts.push("connected"),
      close: (tap) => {
        attempts.push(tap.error?.code ?? "closed");
        if (left > 0) retry(left > 1 ? refused : origin.port, left - 1);
      },
    });
  };
  retry(refused, 3);
  await eventually(() => attempts.includes("connected"), "the last attempt succeeds");
  assert.deepEqual(attempts, ["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED", "connected"]);
});

/** Its queue of connections is full, and nobody takes one out: further connects stay without an answer. */
class SilentListener implements AsyncDisposable {
  readonly port: number;
  readonly #release: () => Promise<void>;

  private constructor(port: number, release: () => Promise<void>) {
    this.port = port;
    this.#release = release;
  }

  static async start(): Promise<SilentListener> {
    const { Worker } = await import("node:worker_threads");
    // A thread that listens, and then never turns again: only such a listener accepts nothing.
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { createServer } = require("node:net");
       const { parentPort, workerData } = require("node:worker_threads");
       const server = createServer();
       server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
         parentPort.postMessage(server.address().port);
         setImmediate(() => Atomics.wait(workerData, 0, 0));
       });`,
      { eval: true, workerData: gate },
    );
    const [port] = (await once(worker, "message")) as [number];
    // Two fit; of what comes then the kernel drops the SYN.
    const fillers = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
    await Promise.all(fillers.map((filler) => once(filler, "connect")));
    return new SilentListener(port, async () => {
      for (const filler of fillers) {
        filler.on("error", () => undefined);
        filler.destroy();
      }
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await worker.terminate();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
  }
}
