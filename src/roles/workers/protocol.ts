// SPDX-License-Identifier: Apache-2.0
// What the main thread and its data-plane workers say to each other. Data only. Nothing here is sent per request: counts
// of requests and of limits are in shared memory, lines of the access log and spans come in batches.

import type { EndpointSnapshot, RoutingSnapshot, TrafficOptions } from "../../model/index.ts";
import type { DataPlaneOptions, LimitMemory, LimitSlots } from "../../proxy/index.ts";
import type {
  ClusterStatus,
  ListenerStatus,
  LogLevel,
  RequestLabels,
  Sample,
  SpanRecord,
} from "../../telemetry/port.ts";
import type { TransportChoice } from "../transport-choice.ts";

/** What a worker is started with. */
export interface WorkerSetup {
  /** Of who starts it; to be looked at before the rest. */
  readonly buildId: string;
  /** 0 … threads - 1. A replacement has the number of the worker it replaces. */
  readonly thread: number;
  readonly threads: number;
  readonly options: Pick<DataPlaneOptions, "identity" | "portMap" | "defaultBind" | "takeOver"> &
    Partial<Pick<DataPlaneOptions, "descriptorsPerSide"> & TrafficOptions>;
  /** null = off. */
  readonly accessLogFormat: "text" | "json" | null;
  /** null = tracing is off. */
  readonly traceSamplingPercent: number | null;
  /** Each worker makes its own. */
  readonly transport: TransportChoice;
  /** Where it writes down files that Node knows nothing of, to be closed when it is gone; null = it has none. */
  readonly ledger: SharedArrayBuffer | null;
  readonly log: { readonly level: LogLevel; readonly format: "text" | "json"; readonly colour: boolean };
  readonly maxSeries: number;
  readonly seriesMemory: SharedArrayBuffer;
  readonly limitMemory: LimitMemory;
  readonly heartbeats: SharedArrayBuffer;
}

/** Answered once, with the `id` of the request. */
export type WorkerRequest =
  | {
      readonly kind: "routing";
      readonly snapshot: RoutingSnapshot;
      /** Which belong to it; null = none yet. Both come into force in one turn. */
      readonly endpoints: EndpointSnapshot | null;
      readonly limitSlots: LimitSlots;
      /** By listener name; for listeners that take any free port. */
      readonly boundPorts: ReadonlyMap<string, number>;
      /** On which the other workers listen, or did until now. */
      readonly siblingPorts: ReadonlySet<number>;
    }
  | { readonly kind: "report" }
  /** What the access log has collected is written, or lost, before the answer. */
  | { readonly kind: "flush" }
  | { readonly kind: "drain"; readonly deadlineMs: number }
  | { readonly kind: "stop" };

export type ToWorker =
  | { readonly kind: "request"; readonly id: number; readonly request: WorkerRequest }
  | { readonly kind: "endpoints"; readonly snapshot: EndpointSnapshot }
  | { readonly kind: "level"; readonly level: LogLevel; /** undefined = all. */ readonly scope: string | undefined }
  /** The access-log bytes sent last are written, or lost. */
  | { readonly kind: "written"; readonly error: Error | null }
  /** The spans sent last are with the exporter. */
  | { readonly kind: "spans-taken" };

export type FromWorker =
  | { readonly kind: "answer"; readonly id: number; readonly answer: WorkerAnswer }
  /** Once a second, so that a worker that dies leaves its counts behind. */
  | { readonly kind: "counters"; readonly samples: readonly Sample[] }
  /** Before anything is counted in that row; null = beyond the limit of series. */
  | { readonly kind: "series"; readonly row: number; readonly labels: RequestLabels | null }
  | { readonly kind: "log"; readonly line: string }
  /** Whole lines. The next ones come after `written`. */
  | { readonly kind: "access-log"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Of sampled requests only. The next ones come after `spans-taken`, or because the worker ends. */
  | { readonly kind: "spans"; readonly spans: readonly SpanRecord[] }
  /** The main thread's event loop did not turn for more than a second. */
  | { readonly kind: "main-stalled" };

/** State after the request was done. */
export interface WorkerAnswer {
  readonly listeners: readonly ListenerStatus[];
  readonly clusters: readonly ClusterStatus[];
  readonly samples: readonly Sample[];
  /** Of a drain: exchanges that were cut off. */
  readonly abandoned: number;
}
