// SPDX-License-Identifier: Apache-2.0
// Talks with a program of the test that runs in a namespace: one JSON value a line, on stdin and stdout.

import { once } from "node:events";
import { createInterface } from "node:readline";

import { collect, type HostProcess } from "./test-network.ts";

export class JsonPeer<Message> {
  readonly process: HostProcess;
  /** Everything it said, in order. */
  readonly messages: Message[] = [];
  readonly #errors: () => string;
  #wake = Promise.withResolvers<void>();
  #ended = false;

  constructor(process: HostProcess) {
    this.process = process;
    this.#errors = collect(process.stderr);
    createInterface({ input: process.stdout }).on("line", (line) => {
      this.messages.push(JSON.parse(line) as Message);
      this.#notify();
    });
    process.once("close", () => {
      this.#ended = true;
      this.#notify();
    });
  }

  tell(message: unknown): void {
    this.process.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** The first message from `from` on that fits, said already or not yet. Throws when the program ends before. */
  async hear<Wanted extends Message>(fits: (message: Message) => message is Wanted, from?: number): Promise<Wanted>;
  async hear(fits: (message: Message) => boolean, from?: number): Promise<Message>;
  async hear(fits: (message: Message) => boolean, from = 0): Promise<Message> {
    for (let at = from; ; at++) {
      while (at >= this.messages.length) {
        if (this.#ended) throw new Error(`the program ended: ${this.#errors()}`);
        await this.#wake.promise;
      }
      if (fits(this.messages[at]!)) return this.messages[at]!;
    }
  }

  /** Ends the program by closing its stdin; it must exit with 0. */
  async end(): Promise<void> {
    const exit = once(this.process, "exit");
    this.process.stdin.end();
    const [code] = (await exit) as [number | null];
    if (code !== 0) throw new Error(`the program exits with ${code}: ${this.#errors()}`);
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
