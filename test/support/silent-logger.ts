// SPDX-License-Identifier: Apache-2.0
// A log nobody reads.

import type { Logger } from "../../src/telemetry/port.ts";

export const silentLogger: Logger = {
  scope: "",
  enabled: () => false,
  trace: ignore,
  debug: ignore,
  info: ignore,
  warning: ignore,
  error: ignore,
  child: () => silentLogger,
};

function ignore(): void {
  // What a test looks at is not in the log.
}
