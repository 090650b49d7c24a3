// SPDX-License-Identifier: Apache-2.0
// The transport's contract: the number of the batch tells what was there before a send from what may answer it.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { eventually } from "../support/proxy-under-test.ts";
import { contract, type Tap } from "./support/ground.ts";

const request = Buffer.from("request");

contract("what was there before a send is delivered in its batch", async (ground) => {
  let sentIn = -1;
  const deliveredIn: number[] = [];
  await using idle = await ground.connected({ data: () => deliveredIn.push(ground.transport.batch()) });
  await using client = await ground.accepted({
    data: () => {
      sentIn = ground.transport.batch();
      idle.tap.send(request);
    },
  });
  // The client first, so that its bytes are looked at first.
  client.peer.send("a");
  idle.peer.send("unasked");
  await eventually(() => deliveredIn.length > 0, "what nobody asked for is delivered");
  await idle.peer.takeThrough("request");
  assert.deepEqual(deliveredIn, [sentIn]);
});

/** A peer on a thread of its own answers while the batch is still worked off. */
const answering = `
const { createServer } = require("node:net");
const { parentPort } = require("node:worker_threads");
const server = createServer({ noDelay: true }, (socket) => socket.on("data", () => socket.write("answer")));
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
/** Much longer than an answer takes over loopback. */
const busyMs = 3;

contract("an answer is delivered in a later batch, however soon it comes", async (ground) => {
  const rounds = 20;
  const sentIn: number[] = [];
  const answeredIn: number[] = [];
  await using peer = new Worker(answering, { eval: true });
  const [port] = (await once(peer, "message")) as [number];
  const ask = (tap: Tap): void => {
    sentIn.push(ground.transport.batch());
    tap.send(request);
    const endMs = performance.now() + busyMs;
    while (performance.now() < endMs);
  };
  const tap = ground.connect("127.0.0.1", port, {
    connect: ask,
    data: () => {
      answeredIn.push(ground.transport.batch());
      if (answeredIn.length < rounds) ask(tap);
    },
  });
  await eventually(() => answeredIn.length === rounds, "all are answered");
  for (let round = 0; round < rounds; round++) assert.ok(answeredIn[round]! > sentIn[round]!, `round ${round}`);
  tap.destroy(false);
});
