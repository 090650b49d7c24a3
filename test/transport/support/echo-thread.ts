// SPDX-License-Identifier: Apache-2.0
// A thread that answers every byte over the uring transport, until it is told how to end or is ended.

import { parentPort, workerData } from "node:worker_threads";

import { systemClock } from "../../../src/core/index.ts";
import { createUringTransport, defaultUringOptions } from "../../../src/proxy/index.ts";
import type { Connection, ConnectionHandler } from "../../support/transport-under-test.ts";

export interface EchoSetup {
  readonly ledger: SharedArrayBuffer;
}

const { ledger } = workerData as EchoSetup;
const transport = createUringTransport({ clock: systemClock, ledger }, { ...defaultUringOptions, check: true });
const listener = await transport.listen(
  {
    host: "127.0.0.1",
    port: 0,
    backlog: 128,
    reusePort: true,
    onAcceptError: (error) => {
      throw error;
    },
  },
  (connection) => echoOf(connection),
);

parentPort!.on("message", (how: "exit" | "throw" | "spin") => {
  if (how === "exit") process.exit(3);
  if (how === "throw") throw new Error("told to");
  for (;;);
});
// An outgoing connection is a file too.
const own = transport.connect(
  { host: "127.0.0.1", port: listener.port },
  {
    onConnect() {
      own.reserve(1);
      own.send(1);
    },
    onData: () => parentPort!.postMessage(listener.port),
    onDrain: () => undefined,
    onEnd: () => undefined,
    onClose: () => undefined,
  },
);

function echoOf(connection: Connection): ConnectionHandler {
  return {
    onConnect: () => undefined,
    onData(bytes, from, to) {
      bytes.copy(connection.reserve(to - from), 0, from, to);
      connection.send(to - from);
    },
    onDrain: () => undefined,
    onEnd: () => connection.end(),
    onClose: () => undefined,
  };
}
