// SPDX-License-Identifier: Apache-2.0
// What every transport says about itself in the metrics.

import type { Sample } from "../../telemetry/port.ts";
import { gauge } from "../samples.ts";
import type { Transport } from "./transport.ts";

/** One thread that runs on it. A thread can end up on another transport than was chosen for the process. */
export function threadSample(transport: Transport["name"]): Sample {
  return gauge("naru_transport_threads", "Data-plane threads by the transport they run on.", 1, { transport });
}
