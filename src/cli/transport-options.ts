// SPDX-License-Identifier: Apache-2.0
// Options of every command that serves about the transport, as data.

import type { OptionSpec } from "./command.ts";

/** What moves the bytes, and how much memory it may take. */
export const transportOptions: readonly OptionSpec[] = [
  {
    kind: "choice",
    name: "transport",
    choices: ["auto", "uring", "node"],
    default: "auto",
    description:
      "What moves the bytes: io_uring (Linux 6.1 or newer) or Node's sockets; auto: io_uring where it can be had",
  },
  {
    kind: "bytes",
    name: "uring-buffers",
    placeholder: "BYTES",
    default: "8Mi",
    description: "With io_uring, the memory of each thread for what is received, e.g. 16Mi",
  },
  {
    kind: "choice",
    name: "uring-coalesce",
    choices: ["on", "off"],
    default: "on",
    description:
      "With io_uring, a thread that uses 85 % of a core lets what arrives wait for more, 0.4 ms at most, if 64 connections or more are busy",
  },
];
