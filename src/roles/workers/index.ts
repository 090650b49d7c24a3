// SPDX-License-Identifier: Apache-2.0
// Data planes on worker threads. Loaded only where there is more than one.

export { createWorkerPool, startWorker, type WorkerPool } from "./pool.ts";
export type { WorkerSetup } from "./protocol.ts";
export { SinkQueue } from "./sink-queue.ts";
