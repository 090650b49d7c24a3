// SPDX-License-Identifier: Apache-2.0
// Where spans go and how many: --otlp-endpoint and --trace-sampling, and OpenTelemetry's own environment variables, which
// operators inject.

import { usageError, type OptionValues } from "../cli/index.ts";

export interface TracingOptions {
  /** URL of the collector's traces path. */
  readonly endpoint: string;
  /** Of the requests that come without a decision, 0 to 100. */
  readonly samplingPercent: number;
  /** So long a span waits for others to be sent with. */
  readonly exportDelayMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const tracesPath = "/v1/traces";
/** OpenTelemetry's, and Envoy's tracing.opentelemetry.flush_interval_ms. */
const defaultDelayMs = 5_000;

/**
 * null = tracing is off. The option goes before the environment, and OTEL_SDK_DISABLED before everything. Throws CliError
 * for a URL that is none, and for a delay that is no number.
 */
export function tracingOptionsFrom(values: OptionValues, environment: Environment): TracingOptions | null {
  if (environment["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return null;
  const endpoint = endpointFrom(values, environment);
  if (endpoint === null) return null;
  const exportDelayMs = delayFrom(environment, values.commandName);
  return { endpoint, samplingPercent: values.number("trace-sampling"), exportDelayMs };
}

function delayFrom(environment: Environment, command: string): number {
  const name = "OTEL_BSP_SCHEDULE_DELAY";
  const text = environment[name];
  if (text === undefined || text === "") return defaultDelayMs;
  if (!/^\d{1,9}$/.test(text)) throw usageError(`${name} ${text}: must be a number of milliseconds`, command);
  return Number(text);
}

function endpointFrom(values: OptionValues, environment: Environment): string | null {
  const option = values.optionalText("otlp-endpoint");
  if (option !== null) return withTracesPath(readUrl(option, "--otlp-endpoint", values.commandName));
  // The variable for traces alone is taken as it stands (OTLP exporter specification).
  const tracesName = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  const traces = environment[tracesName];
  if (traces !== undefined && traces !== "") return readUrl(traces, tracesName, values.commandName).href;
  const name = "OTEL_EXPORTER_OTLP_ENDPOINT";
  const all = environment[name];
  return all === undefined || all === "" ? null : withTracesPath(readUrl(all, name, values.commandName));
}

function readUrl(text: string, name: string, command: string): URL {
  const url = URL.parse(text);
  // First: what is wrong with a URL is said with all of it.
  if (url !== null && (url.username !== "" || url.password !== "")) {
    throw usageError(`${name}: must not hold a password; use OTEL_EXPORTER_OTLP_HEADERS`, command);
  }
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usageError(`${name} ${text}: must be a URL like http://collector:4318`, command);
  }
  return url;
}

/** The path of traces below the collector's, unless somebody named it already. */
function withTracesPath(url: URL): string {
  if (!url.pathname.endsWith(tracesPath)) url.pathname = url.pathname.replace(/\/+$/, "") + tracesPath;
  return url.href;
}
