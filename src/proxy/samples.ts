// SPDX-License-Identifier: Apache-2.0
// Numbers in the shape that the metrics registry reads.

import type { Sample } from "../telemetry/port.ts";

type Labels = Sample["labels"];

export function gauge(name: string, help: string, value: number, labels: Labels = {}): Sample {
  return { name, help, type: "gauge", labels, value };
}

export function counter(name: string, help: string, value: number, labels: Labels = {}): Sample {
  return { name, help, type: "counter", labels, value };
}
