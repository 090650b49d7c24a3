// SPDX-License-Identifier: Apache-2.0
// A UDP socket that hears nothing that a router has forwarded.

import assert from "node:assert/strict";
import { createSocket, type Socket, type SocketType } from "node:dgram";
import { once } from "node:events";
import { suite, test, type TestContext } from "node:test";

import { openNearUdp } from "../../../src/platform/index.ts";

async function sender(t: TestContext, type: SocketType, ttl: number): Promise<Socket> {
  const socket = createSocket(type);
  socket.bind(0);
  await once(socket, "listening");
  socket.setTTL(ttl);
  t.after(() => socket.close());
  return socket;
}

suite("UDP of the same network", () => {
  for (const family of [4, 6] as const) {
    test(`takes IPv${family} with TTL 255 alone`, async (t) => {
      const fd = openNearUdp(family, 0);
      assert.ok(fd !== null, "needs Linux and node:ffi, as all of this folder");
      const type = family === 4 ? "udp4" : "udp6";
      const socket = createSocket(type);
      socket.bind({ fd });
      t.after(() => socket.close());
      const heard: string[] = [];
      const last = new Promise<void>((resolve) => {
        socket.on("message", (message) => {
          heard.push(message.toString());
          if (heard.at(-1) === "end") resolve();
        });
      });
      const [near, far, almost] = await Promise.all([255, 64, 254].map((ttl) => sender(t, type, ttl)));
      const to = family === 4 ? "127.0.0.1" : "::1";
      const send = (from: Socket, text: string): Promise<void> =>
        new Promise((resolve) => {
          from.send(text, socket.address().port, to, () => resolve());
        });
      await send(far!, "far");
      await send(almost!, "almost");
      await send(near!, "near");
      await send(near!, "end");
      await last;
      assert.deepEqual(heard, ["near", "end"]);
    });
  }

  test("says why it cannot be bound", async (t) => {
    const taken = createSocket("udp4");
    taken.bind(0, "0.0.0.0");
    t.after(() => taken.close());
    await once(taken, "listening");
    assert.throws(() => openNearUdp(4, taken.address().port), { code: "EADDRINUSE", syscall: "bind" });
  });
});
