// SPDX-License-Identifier: Apache-2.0
// Which transport a process runs on, why, and one of it for each thread.

import { CliError, exitCodes, type OptionValues } from "../cli/index.ts";
import { messageOf, systemClock } from "../core/index.ts";
import { probeUring } from "../platform/index.ts";
import { createNodeTransport, createUringTransport, type DataPlaneDeps } from "../proxy/index.ts";
import type { Logger, Sample } from "../telemetry/port.ts";

type Transport = DataPlaneDeps["transport"];

export interface TransportOptions {
  readonly wanted: "auto" | Transport["name"];
  /** Memory of the uring transport for what is received, per thread. */
  readonly uringBufferBytes: number;
  /** Whether its busy threads let what comes wait for more. */
  readonly uringCoalesces: boolean;
  /** The uring transport asserts its invariants, slowly. */
  readonly uringCheck: boolean;
}

/** Reads the options of every command that serves. */
export function transportOptionsFrom(
  values: OptionValues,
  environment: Readonly<Record<string, string | undefined>>,
): TransportOptions {
  return {
    wanted: values.text("transport") as TransportOptions["wanted"],
    uringBufferBytes: values.bytes("uring-buffers"),
    uringCoalesces: values.text("uring-coalesce") === "on",
    uringCheck: environment["NARU_URING_CHECK"] === "1",
  };
}

/** Holds for the whole process. Plain data: workers are told it. */
export interface TransportChoice extends TransportOptions {
  readonly name: Transport["name"];
  /** For the log, the admin pages and the metrics. */
  readonly reason: string;
}

/** Throws CliError when io_uring was asked for and cannot be had; `auto` never fails. */
export function chooseTransport(options: TransportOptions, probe: typeof probeUring = probeUring): TransportChoice {
  const { wanted } = options;
  if (wanted === "node") return { ...options, name: "node", reason: "asked for" };
  const uring = probe();
  if (uring.available) {
    return { ...options, name: "uring", reason: wanted === "uring" ? "asked for" : "io_uring is available" };
  }
  if (wanted === "auto") return { ...options, name: "node", reason: uring.reason };
  throw impossible(uring.reason);
}

export interface ThreadTransport {
  readonly transport: Transport;
  /** What became of the choice on this thread. */
  readonly choice: TransportChoice;
}

/**
 * The transport of the calling thread, which has to close it. What was found possible may fail all the same, for want of
 * memory say; then `auto` goes on without it, and what was asked for throws CliError. `ledger` is where the thread's files are
 * written down for the one that outlives it.
 */
export function createTransport(
  choice: TransportChoice,
  logger: Logger,
  ledger: SharedArrayBuffer | null = null,
  openUring: typeof createUringTransport = createUringTransport,
): ThreadTransport {
  const { wanted, name, uringBufferBytes, uringCoalesces, uringCheck } = choice;
  if (name === "node") return { transport: createNodeTransport(), choice };
  try {
    const options = { bufferBytes: uringBufferBytes, coalesces: uringCoalesces, check: uringCheck };
    return { transport: openUring({ clock: systemClock, ledger }, options), choice };
  } catch (error) {
    if (wanted === "uring") throw impossible(messageOf(error));
    const reason = messageOf(error);
    logger.warning("io_uring cannot be used after all", { transport: "node", reason });
    return { transport: createNodeTransport(), choice: { ...choice, name: "node", reason } };
  }
}

function impossible(reason: string): CliError {
  return new CliError(
    exitCodes.failure,
    `--transport uring is not possible here: ${reason}`,
    "Leave out --transport, or use --transport node; docs/operations.md, Transports, says what io_uring needs.",
  );
}

/** The choice as a metric of value 1. */
export function transportSample({ name, reason }: TransportChoice): Sample {
  return {
    name: "naru_transport_info",
    help: "Which transport moves the bytes, and why it was chosen.",
    type: "gauge",
    labels: { transport: name, reason },
    value: 1,
  };
}
