// SPDX-License-Identifier: Apache-2.0
// What Prometheus sees of one thread's ring and memory. Asked for at a scrape only; the thread keeps plain numbers.

import type { Sample } from "../../../telemetry/port.ts";
import { counter, gauge } from "../../samples.ts";
import { threadSample } from "../thread-sample.ts";
import type { UringThread } from "./uring-thread.ts";

/** What buffers are for: receiving, or sending. */
interface BufferFigures {
  readonly limit: number;
  readonly touched: number;
  /** null = the kernel does not tell. */
  readonly used: number | null;
  readonly shortages: number;
}

/** Nothing once the transport is closed. */
export function uringSamples(thread: UringThread): readonly Sample[] {
  if (thread.disposed) return [];
  return [threadSample("uring"), ...ringSamples(thread), ...bufferSamples(thread)];
}

function ringSamples({ ring, active, coalescing }: UringThread): readonly Sample[] {
  return [
    counter("naru_uring_enters_total", "System calls on the ring.", ring.enters),
    counter("naru_uring_operations_total", "Operations that the kernel was handed.", ring.submissions),
    counter("naru_uring_completions_total", "Completions that the kernel showed.", ring.completions),
    counter(
      "naru_uring_overflows_total",
      "Times the completion queue was full; nothing is lost by it.",
      ring.overflows,
    ),
    counter("naru_uring_lost_completions_total", "Completions the kernel had no memory to keep.", ring.lost),
    gauge(
      "naru_uring_slots_active",
      "Listeners and connections in the ring, until their last operation is over.",
      active,
    ),
    gauge(
      "naru_uring_coalesced_completions",
      "Completions that a busy thread waits for, 400 microseconds at most; 1 = it waits for nobody.",
      coalescing.wanted,
    ),
  ];
}

function bufferSamples({ small, arena, smallShortages }: UringThread): readonly Sample[] {
  return Object.entries({
    messages: receiving(small, smallShortages),
    sends: {
      limit: arena.limitBytes,
      touched: arena.touchedBytes,
      used: arena.usedBytes,
      shortages: arena.shortages,
    },
  }).flatMap(([buffers, figures]) => samplesOf(figures, { buffers }));
}

function receiving(buffers: UringThread["small"], shortages: number): BufferFigures {
  const { bytesEach, count, circulating } = buffers;
  const filled = buffers.filled();
  const used = filled === null ? null : filled * bytesEach;
  return { limit: count * bytesEach, touched: circulating * bytesEach, used, shortages };
}

function samplesOf({ limit, touched, used, shortages }: BufferFigures, labels: Sample["labels"]): readonly Sample[] {
  const samples = [
    gauge("naru_uring_buffer_limit_bytes", "Memory that buffers may take.", limit, labels),
    gauge(
      "naru_uring_buffer_bytes",
      "Memory that buffers have taken: as many as were needed at once.",
      touched,
      labels,
    ),
    counter(
      "naru_uring_buffer_shortages_total",
      "Times that none was free: a message waited, or what was to be sent was handed in early.",
      shortages,
      labels,
    ),
  ];
  if (used === null) return samples;
  return [...samples, gauge("naru_uring_buffer_used_bytes", "Memory with bytes in it at this moment.", used, labels)];
}
