// SPDX-License-Identifier: Apache-2.0
// The transport's contract, part five: Unix sockets, named by the path of their file.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventually } from "../support/proxy-under-test.ts";
import { RawPeer } from "../support/raw-peer.ts";
import { contract, pattern, type Ground } from "./support/ground.ts";

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "naru-unix-"));

  file(name = "socket"): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

async function connectUnix(path: string): Promise<RawPeer> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, "connect");
  return new RawPeer(socket);
}

/** A listener on `path`, a raw client of it, and the tap on our end. */
async function pairAt(ground: Ground, path: string) {
  const listener = await ground.listen({ host: path });
  const peer = await connectUnix(path);
  await eventually(() => ground.taps.length > 0, "it is accepted");
  return { listener, peer, tap: ground.taps[0]! };
}

contract("Unix: a listener says where it is, and its clients have no address", async (ground) => {
  const folder = ground.after.use(new Folder());
  const { listener, peer, tap } = await pairAt(ground, folder.file());
  await using _ = peer;
  assert.equal(listener.address, folder.file());
  assert.equal(listener.port, 0);
  const { remoteAddress, remotePort, localAddress, localPort } = tap.connection;
  assert.deepEqual([remoteAddress, remotePort, localAddress, localPort], ["", 0, "", 0]);
});

contract("Unix: bytes go both ways, under backpressure", async (ground) => {
  const folder = ground.after.use(new Folder());
  const { peer, tap } = await pairAt(ground, folder.file());
  await using _ = peer;
  const bytes = pattern(4 * 1024 * 1024);
  peer.socket.pause();
  assert.equal(tap.send(bytes), false);
  peer.socket.write(bytes);
  peer.socket.resume();
  assert.ok(Buffer.from(await peer.takeBytes(bytes.length), "latin1").equals(bytes));
  await eventually(() => tap.receivedBytes === bytes.length, "all is received");
  assert.ok(tap.received.equals(bytes));
  await eventually(() => tap.count("drain") === 1, "it is empty again");
});

contract("Unix: half-closes go both ways", async (ground) => {
  const folder = ground.after.use(new Folder());
  const { peer, tap } = await pairAt(ground, folder.file());
  await using _ = peer;
  peer.finish();
  await eventually(() => tap.events.includes("end"), "the end is heard of");
  tap.send(Buffer.from("bye"));
  tap.end();
  assert.equal(await peer.takeToEnd(), "bye");
  await eventually(() => tap.closed, "it is closed");
  assert.equal(tap.error, null);
});

for (const reset of [false, true]) {
  contract(`Unix: destroy(${reset}) ends a connection`, async (ground) => {
    const folder = ground.after.use(new Folder());
    const { peer, tap } = await pairAt(ground, folder.file());
    await using _ = peer;
    tap.destroy(reset);
    await eventually(() => tap.closed, "it is closed");
    await eventually(() => peer.ended, "the peer sees it");
    assert.equal(tap.error, null);
  });
}

contract("Unix: a refused connection ends at once", async (ground) => {
  const folder = ground.after.use(new Folder());
  const listener = await ground.listen({ host: folder.file() }, () => null);
  await using peer = await connectUnix(folder.file());
  await eventually(() => peer.ended, "it is refused");
  await ground.close(listener);
  await listener.ended;
});

contract("Unix: an outgoing connection knows what it is connected to", async (ground) => {
  const folder = ground.after.use(new Folder());
  await using server = createServer((socket) => socket.end("hello"));
  server.listen(folder.file());
  await once(server, "listening");
  const tap = ground.connect(folder.file(), 0);
  await eventually(() => tap.events.includes("end"), "the peer has spoken");
  assert.equal(tap.received.toString(), "hello");
  const { remoteAddress, remotePort, localAddress, localPort } = tap.connection;
  assert.deepEqual([remoteAddress, remotePort, localAddress, localPort], [folder.file(), 0, "", 0]);
  tap.end();
  await eventually(() => tap.closed, "it is closed");
});

contract("Unix: a connect to nothing is the system's error", async (ground) => {
  const folder = ground.after.use(new Folder());
  const missing = ground.connect(folder.file("missing"), 0);
  await eventually(() => missing.closed, "it is closed");
  assert.equal(missing.error?.code, "ENOENT");
  writeFileSync(folder.file("plain"), "");
  const plain = ground.connect(folder.file("plain"), 0);
  await eventually(() => plain.closed, "it is closed");
  assert.equal(plain.error?.code, "ECONNREFUSED");
});

contract("Unix: a path that is too long is an error and not another path", async (ground) => {
  const folder = ground.after.use(new Folder());
  const long = folder.file("x".repeat(120));
  const tap = ground.connect(long, 0);
  await eventually(() => tap.closed, "it is closed");
  assert.match(tap.error?.code ?? "", /^(?:ENAMETOOLONG|EINVAL)$/);
  await assert.rejects(ground.listen({ host: long }), { code: /^(?:ENAMETOOLONG|EINVAL)$/ });
});

contract("Unix: the file must not exist, and goes with the listener", async (ground) => {
  const folder = ground.after.use(new Folder());
  writeFileSync(folder.file("taken"), "");
  await assert.rejects(ground.listen({ host: folder.file("taken") }), { code: "EADDRINUSE" });
  await assert.rejects(ground.listen({ host: folder.file("no/folder") }), { code: /^(?:ENOENT|EACCES)$/ });
  const { listener, peer, tap } = await pairAt(ground, folder.file());
  await using _ = peer;
  await ground.close(listener);
  assert.ok(!existsSync(folder.file()));
  peer.send("still here");
  await eventually(() => tap.receivedBytes === 10, "the connection lives on");
  await ground.listen({ host: folder.file() });
});

contract("Unix: a file that somebody removed does not keep a listener from closing", async (ground) => {
  const folder = ground.after.use(new Folder());
  const listener = await ground.listen({ host: folder.file() });
  unlinkSync(folder.file());
  await ground.close(listener);
  await listener.ended;
});
