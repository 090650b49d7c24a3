// SPDX-License-Identifier: Apache-2.0
// Runs in a child that may lock hardly any memory: two workers that were told to take io_uring, for the main thread found
// it possible. Prints what became of it as one line of JSON.

import { endOfHead, get, ok } from "../../support/messages.ts";
import { RawOrigin } from "../../support/raw-peer.ts";
import { closeAll, startPool } from "./pool-under-test.ts";

export interface LittleMemoryReport {
  /** The first line of each client's answer. */
  readonly answers: readonly string[];
  /** Data-plane threads by transport. */
  readonly threads: Readonly<Record<"node" | "uring", number>>;
  readonly warnings: readonly string[];
}

if (process.argv[2] === "run") process.stdout.write(`${JSON.stringify(await serve())}\n`);

async function serve(): Promise<LittleMemoryReport> {
  await using origin = await RawOrigin.start();
  await using run = await startPool({ origin: origin.port, transport: "uring", auto: true });
  const clients = await run.connectToAll(1);
  const answers: string[] = [];
  for (const client of clients) {
    client.send(get());
    await using upstream = await origin.connection();
    await upstream.takeThrough(endOfHead);
    upstream.send(ok("hello"));
    answers.push((await client.takeThrough("hello")).split("\r\n")[0]!);
  }
  const threads = {
    node: run.sample("naru_transport_threads", { transport: "node" }),
    uring: run.sample("naru_transport_threads", { transport: "uring" }),
  };
  await closeAll(clients);
  return { answers, threads, warnings: run.log.filter((line) => / warning /.test(line)) };
}
