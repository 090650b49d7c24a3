// SPDX-License-Identifier: Apache-2.0
// A process that has no file descriptor left: the real transport, whose connects fail with EMFILE while a test says so.

import { createNodeTransport, type DataPlaneDeps } from "../../src/proxy/index.ts";

type Transport = DataPlaneDeps["transport"];

export class ExhaustedTransport {
  exhausted = true;
  /** Connects that failed. */
  refused = 0;
  readonly transport: Transport;

  constructor() {
    const real = createNodeTransport();
    this.transport = {
      name: real.name,
      batch: () => real.batch(),
      samples: () => real.samples(),
      close: () => real.close(),
      listen: (options, accept) => real.listen(options, accept),
      connect: (options, handler) => {
        if (!this.exhausted) return real.connect(options, handler);
        this.refused++;
        const error = Object.assign(new Error("connect EMFILE"), { code: "EMFILE" });
        // Given up before it can succeed; all that is heard of it is the error.
        const connection = real.connect(options, {
          onConnect: () => undefined,
          onData: () => undefined,
          onDrain: () => undefined,
          onEnd: () => undefined,
          onClose: () => handler.onClose(error),
        });
        connection.destroy(false);
        return connection;
      },
    };
  }
}
