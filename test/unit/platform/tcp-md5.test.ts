// SPDX-License-Identifier: Apache-2.0
// TCP with passwords and hop limits between two ends of this process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";
import { suite, test, type TestContext } from "node:test";

import { openGuardedTcp, type GuardedTcp, type TcpGuards } from "../../../src/platform/index.ts";

const open: TcpGuards = { password: null, ttl: null, minTtl: null };

function guarded(): GuardedTcp {
  const tcp = openGuardedTcp();
  if (typeof tcp === "string") assert.fail(tcp);
  return tcp;
}

/** A listener that sends back what it gets. */
function echo(t: TestContext, tcp: GuardedTcp, address: string, password: string | null) {
  const remotes: string[] = [];
  const listener = tcp.listen(address, 0, (fd, remote) => {
    remotes.push(remote.address);
    const socket = new Socket({ fd, readable: true, writable: true });
    t.after(() => socket.destroy());
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  t.after(() => listener.close());
  listener.setPassword(address, password);
  return { listener, remotes };
}

function connect(t: TestContext, tcp: GuardedTcp, host: string, port: number, guards: TcpGuards): Socket {
  const socket = new Socket({ fd: tcp.openStream(host, guards), readable: true, writable: true });
  t.after(() => socket.destroy());
  return socket.connect({ host, port });
}

/** Whether the kernel lets them talk: an answer, or nothing at all while another connection is through. */
async function talks(socket: Socket): Promise<boolean> {
  socket.on("error", () => undefined);
  socket.write("hello");
  const answer = once(socket, "data").then(() => true);
  return Promise.race([answer, new Promise<boolean>((resolve) => setTimeout(resolve, 300, false))]);
}

suite("TCP with passwords", () => {
  for (const address of ["127.0.0.1", "::1"]) {
    test(`on ${address} only those with the same one talk`, async (t) => {
      const tcp = guarded();
      const { listener, remotes } = echo(t, tcp, address, "s3cret");
      const { port } = listener;
      const right = connect(t, tcp, address, port, { ...open, password: "s3cret" });
      const wrong = connect(t, tcp, address, port, { ...open, password: "other" });
      const none = connect(t, tcp, address, port, open);
      assert.deepEqual(await Promise.all([right, wrong, none].map(talks)), [true, false, false]);
      assert.deepEqual(remotes, [address]);
      listener.setPassword(address, null);
      listener.setPassword(address, null);
      assert.equal(await talks(connect(t, tcp, address, port, open)), true);
    });
  }

  test("of more than 80 bytes are refused", () => {
    const tcp = guarded();
    assert.throws(() => tcp.openStream("127.0.0.1", { ...open, password: "x".repeat(81) }), { code: "EINVAL" });
    tcp.close(tcp.openStream("127.0.0.1", { ...open, password: "x".repeat(80) }));
  });
});

suite("TCP with hop limits", () => {
  for (const address of ["127.0.0.1", "::1"]) {
    test(`on ${address} take only what has come from near`, async (t) => {
      const tcp = guarded();
      // What Node listens with sends TTL 64; our listener sends 255.
      const plain = createServer((socket) => socket.pipe(socket));
      plain.listen(0, address);
      t.after(() => plain.close());
      await once(plain, "listening");
      const { listener } = echo(t, tcp, address, null);
      const guards = { ...open, minTtl: 255 };
      const near = connect(t, tcp, address, listener.port, guards);
      const far = connect(t, tcp, address, (plain.address() as AddressInfo).port, guards);
      assert.deepEqual(await Promise.all([near, far].map(talks)), [true, false]);
    });
  }
});
