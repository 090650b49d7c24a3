// SPDX-License-Identifier: Apache-2.0
// What goes wrong around naru during a soak: clients that leave at any point, origins that die and come back.

import { connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";

import type { Random } from "../../src/core/index.ts";
import type { Versions } from "./versions.ts";

const abortEveryMs = 20;
const restartEveryMs = 5_000;
const downMs = 1_000;
/** So long after the death of an origin a request may still fail that it had. */
const echoMs = 500;

export interface FaultsOptions {
  readonly port: number;
  readonly versions: Versions;
  readonly random: Random;
  /** Failed requests so far. */
  readonly failures: () => number;
}

export class Faults implements AsyncDisposable {
  aborts = 0;
  restarts = 0;
  /** Requests that failed because the origin that had them died: what these faults must cost. */
  excused = 0;
  readonly #options: FaultsOptions;
  readonly #running: Promise<unknown>[] = [];
  readonly #stop = new AbortController();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running.push(this.#every(abortEveryMs, () => this.#abortOne()));
    this.#running.push(this.#every(restartEveryMs, () => this.#restartOne()));
  }

  /** Waits until whatever is broken is whole again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #every(periodMs: number, run: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await wait(periodMs * (0.5 + this.#options.random()), null, { signal: this.#stop.signal }).catch(() => null);
      if (!this.#stop.signal.aborted) await run();
    }
  }

  /** A request of which a random part is sent, on a connection that is closed or reset after a random moment. */
  async #abortOne(): Promise<void> {
    const { port, random } = this.#options;
    const request = "POST /left/abort HTTP/1.1\r\nhost: load.example\r\ncontent-length: 2000\r\n\r\n".padEnd(
      2_100,
      "b",
    );
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => socket.destroy());
    socket.resume().write(request.slice(0, Math.floor(random() * (request.length + 1))));
    await wait(random() * 5);
    if (random() < 0.5) socket.resetAndDestroy();
    else socket.destroy();
    this.aborts++;
  }

  async #restartOne(): Promise<void> {
    const { versions, random, failures } = this.#options;
    const before = failures();
    await versions.restartOne(random, async () => {
      await wait(echoMs);
      this.excused += failures() - before;
      await wait(downMs - echoMs);
    });
    this.restarts++;
  }
}
