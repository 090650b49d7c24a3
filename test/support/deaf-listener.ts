// SPDX-License-Identifier: Apache-2.0
// A port whose backlog is full and stays so: the kernel drops every further SYN, and a connect to it is never answered.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Listens, says where, and never turns its event loop again, so that nothing is accepted. */
const program = `
require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () {
  require("node:fs").writeSync(1, String(this.address().port) + "\\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;
/** Linux takes one more than the backlog says. */
const backlogPlaces = 2;

export class DeafListener implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #waiting: readonly Socket[];

  private constructor(port: number, child: ChildProcess, waiting: readonly Socket[]) {
    this.port = port;
    this.#child = child;
    this.#waiting = waiting;
  }

  static async start(): Promise<DeafListener> {
    const child = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
      signal: AbortSignal.timeout(25_000),
      killSignal: "SIGKILL",
    });
    child.on("error", () => undefined);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(line.toString());
    const waiting = await Promise.all(
      Array.from({ length: backlogPlaces }, async () => {
        const socket = connect({ port, host: "127.0.0.1" });
        socket.on("error", () => undefined);
        await once(socket, "connect");
        return socket;
      }),
    );
    return new DeafListener(port, child, waiting);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }
}
