// SPDX-License-Identifier: Apache-2.0
// `naru_spans_dropped_total`, which the exporter and every worker have samples of.

import type { Sample } from "../port.ts";

const reasons =
  "queue (no room), export (refused, or not reachable), worker (the main thread did not take them in time)";

/** Spans that `reason` has cost so far. */
export function droppedSpans(reason: "queue" | "export" | "worker", value: number): Sample {
  return {
    name: "naru_spans_dropped_total",
    help: `Spans that never reached the collector, by reason: ${reasons}.`,
    type: "counter",
    labels: { reason },
    value,
  };
}
