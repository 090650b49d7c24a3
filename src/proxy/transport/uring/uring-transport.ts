// SPDX-License-Identifier: Apache-2.0
// The transport over io_uring: plain TCP and Unix sockets of one thread. Where it cannot run is asked by `probeUring`.

import type { Transport } from "../transport.ts";
import { UringConnection } from "./uring-connection.ts";
import { listenUring } from "./uring-listener.ts";
import { defaultUringOptions, type UringDeps, type UringOptions } from "./uring-options.ts";
import { uringSamples } from "./uring-samples.ts";
import { openUringThread } from "./uring-thread.ts";

/** Throws the system's error when there is no io_uring here. The transport belongs to the calling thread. */
export function createUringTransport(deps: UringDeps, options: UringOptions = defaultUringOptions): Transport {
  const thread = openUringThread(deps, options);
  return {
    name: "uring",
    batch: () => thread.batch,
    listen: (listenOptions, accept) => listenUring(thread, deps.clock, listenOptions, accept),
    connect({ host, port }, handler) {
      const connection = new UringConnection(thread, -1, null);
      connection.open(host, port, handler);
      return connection;
    },
    samples: () => uringSamples(thread),
    close: () => thread.close(),
  };
}
