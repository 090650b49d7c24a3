// SPDX-License-Identifier: Apache-2.0
// How many connections the process's file descriptors allow, and what becomes of the configured number. Pure.

import { automaticConnections } from "../model/index.ts";

export interface ConnectionBudget {
  /** Per listener. */
  readonly maxConnections: number;
  /** Clients' connections to all listeners, and upstream connections as many. Infinity = the system does not say. */
  readonly descriptorsPerSide: number;
  /** `ulimit -n` that the configured number of connections needs, where there is less; else null. */
  readonly neededFiles: number | null;
}

/** One event loop, standard streams, log files, watched directories; admin ports and a few of their clients. */
const ownFiles = 48;
/** A worker's event loop and its listener. */
const filesPerWorker = 12;
/** Of the descriptors, at most; by then the admin ports have all the clients they take (256 each). */
const ownShare = 1 / 4;
const mostOwnFiles = 1_024;

/** `configured`: connections per listener, 0 = automatic. `openFiles`: null where the system does not say. */
export function connectionBudget(configured: number, openFiles: number | null, threads: number): ConnectionBudget {
  const wanted = configured === 0 ? automaticConnections : configured;
  if (openFiles === null) return { maxConnections: wanted, descriptorsPerSide: Infinity, neededFiles: null };
  const least = ownFiles + filesPerWorker * threads;
  const own = Math.max(least, Math.min(mostOwnFiles, Math.floor(openFiles * ownShare)));
  // With so few files that there are none to spare, somebody can be served at least.
  const perSide = Math.max(1, Math.floor((openFiles - own) / 2));
  const needed = 2 * configured + Math.max(least, mostOwnFiles);
  return {
    maxConnections: Math.min(wanted, perSide),
    descriptorsPerSide: perSide,
    neededFiles: configured > perSide ? needed : null,
  };
}
