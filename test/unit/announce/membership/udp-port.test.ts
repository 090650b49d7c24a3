// SPDX-License-Identifier: Apache-2.0
// Heartbeats over real sockets of this machine: by unicast to peers, and by multicast on the loopback interface.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";

import { createUdpPort, type UdpPort, type UdpPortOptions } from "../../../../src/announce/membership/udp-port.ts";
import { createMembership } from "../../../../src/announce/membership/membership.ts";
import { systemClock } from "../../../../src/core/index.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { Cluster, testKey } from "./cluster.ts";

const loopback = { name: "lo", addresses: [{ family: 4 as const, address: "127.0.0.1", usable: true }] };
const logger = new Cluster().logger("test");

function portOf(
  t: TestContext,
  options: Partial<UdpPortOptions>,
  deps: Partial<Parameters<typeof createUdpPort>[0]> = {},
) {
  const lookup = () => Promise.reject(new Error("nobody should be asked"));
  const port = createUdpPort(
    { clock: systemClock, logger, lookup, ...deps },
    { host: "127.0.0.1", port: 0, multicast: false, peers: [], ...options },
  );
  t.after(() => port.close());
  return port;
}

async function receiver(
  t: TestContext,
  host = "127.0.0.1",
): Promise<{ readonly socket: Socket; readonly port: number }> {
  const socket = createSocket("udp4");
  t.after(() => socket.close());
  socket.bind(0, host);
  await once(socket, "listening");
  const { port }: AddressInfo = socket.address();
  return { socket, port };
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

function ignore(): void {}

function rethrow(error: unknown): void {
  throw error;
}

test("packets go to every peer, by name or address, and come with their source", async (t) => {
  const [one, other] = [await receiver(t), await receiver(t)];
  const asked: string[] = [];
  const lookup = async (host: string, family: 4 | 6) => {
    asked.push(`${host} ${family}`);
    return ["127.0.0.1"];
  };
  const peers = [
    { host: "127.0.0.1", port: one.port },
    { host: "peer.example", port: other.port },
  ];
  const port = portOf(t, { peers }, { lookup });
  await port.open(ignore, rethrow);
  const messages = [one, other].map(({ socket }) => once(socket, "message"));
  await Promise.resolve();
  port.send(Buffer.from("beat"));
  for (const message of messages) assert.equal(String((await message)[0]), "beat");
  assert.deepEqual(asked, ["peer.example 4"]);
  const received = new Promise<readonly string[]>((resolve) => {
    const back = portOf(t, {});
    void back
      .open((bytes, source) => resolve([String(bytes), source]), rethrow)
      .then(() => one.socket.send("answer", back.localPort, "127.0.0.1"));
  });
  assert.deepEqual(await received, ["answer", "127.0.0.1"]);
});

test("names are asked for again, and what was known stays while nobody answers", async (t) => {
  const { socket, port: peerPort } = await receiver(t);
  const clock = new FakeClock();
  const answers: (readonly string[] | Error)[] = [[], ["127.0.0.1"], new Error("no answer")];
  let asked = 0;
  const lookup = async () => {
    const answer = answers[asked++]!;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const port = portOf(t, { peers: [{ host: "peer.example", port: peerPort }] }, { clock, lookup });
  await port.open(ignore, rethrow);
  let heard = 0;
  socket.on("message", () => heard++);
  for (const round of [1, 2]) {
    clock.advance(30_000);
    assert.equal(asked, round + 1);
    await new Promise((resolve) => setImmediate(resolve));
    const message = once(socket, "message");
    port.send(Buffer.from("beat"));
    await message;
  }
  assert.equal(heard, 2);
});

test("neighbours on an interface hear each other by multicast, without knowing of each other", async (t) => {
  const port = portOf(t, { host: "0.0.0.0", multicast: true });
  port.setInterfaces([loopback, { name: "eth7", addresses: [] }]);
  const heard = new Promise<readonly string[]>((resolve) => {
    void port
      .open((bytes, source) => resolve([String(bytes), source]), rethrow)
      .then(() => port.send(Buffer.from("beat")));
  });
  assert.deepEqual(await heard, ["beat", "127.0.0.1"]);
});

test("an interface that cannot be used costs itself only, and is tried again when it changes", async (t) => {
  const port = portOf(t, { host: "0.0.0.0", multicast: true });
  const foreign = { name: "eth7", addresses: [{ family: 4 as const, address: "192.0.2.7", usable: true }] };
  port.setInterfaces([foreign, loopback]);
  const errors: unknown[] = [];
  const heard = new Promise<string>((resolve) => {
    void port
      .open(
        (bytes) => resolve(String(bytes)),
        (error) => errors.push(error),
      )
      .then(() => port.send(Buffer.from("beat")));
  });
  assert.equal(await heard, "beat");
  assert.deepEqual(
    errors.map((error) => (error as NodeJS.ErrnoException).code),
    ["EADDRNOTAVAIL"],
  );
  port.setInterfaces([foreign]);
  port.setInterfaces([]);
});

test("multicast cannot be received on one address only, and that is said at once", async (t) => {
  const port = portOf(t, { multicast: true });
  await assert.rejects(port.open(ignore, rethrow), /received on all addresses/);
});

test("two nodes find each other over real sockets, and part with a goodbye", async (t) => {
  const ports = [await freePort(), await freePort()];
  const waiting: (() => void)[] = [];
  const memberships = ["a", "b"].map((node, index) => {
    const peers = [{ host: "127.0.0.1", port: ports[1 - index]! }];
    const membership = createMembership(
      {
        clock: systemClock,
        random: Math.random,
        logger,
        port: portOf(t, { port: ports[index]!, peers }),
        onChange: () => waiting.splice(0).forEach((wake) => wake()),
      },
      { node, labels: {}, keys: [testKey], intervalMs: 20, deadAfterMs: 2_000, failBackDelayMs: 0 },
    );
    t.after(() => membership.stop());
    return membership;
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const alive = (index: number) =>
    memberships[index]!.members()
      .map(({ node }) => node)
      .toSorted()
      .join();
  for (const membership of memberships) membership.set({ ready: true, reach: null, announced: [], withheld: [] });
  await Promise.all(memberships.map((membership) => membership.start()));
  await until(() => alive(0) === "a,b" && alive(1) === "a,b");
  await memberships[0]!.leave();
  await until(() => alive(1) === "b");
});

test("a port that is taken is an error of open", async (t) => {
  const { port: taken } = await receiver(t);
  const port: UdpPort = portOf(t, { port: taken });
  await assert.rejects(port.open(ignore, rethrow), { code: "EADDRINUSE" });
});

test("a packet that cannot be sent is an error told, not thrown", async (t) => {
  const port = portOf(t, { peers: [{ host: "255.255.255.255", port: 9 }] });
  const failed = new Promise<unknown>((resolve) => {
    void port.open(ignore, resolve).then(() => port.send(Buffer.from("beat")));
  });
  assert.equal(((await failed) as NodeJS.ErrnoException).code, "EACCES");
});
