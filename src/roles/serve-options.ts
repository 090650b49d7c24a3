// SPDX-License-Identifier: Apache-2.0
// What a serving process is told, and how the options of `gateway`, `up` and `demo` say it.

import { availableParallelism } from "node:os";
import { parsePortMap, type BindAddress, type OptionValues } from "../cli/index.ts";
import {
  limitOptions,
  type EscapedSlashAction,
  type PathNormalization,
  type ProxyIdentity,
  type TrafficOptions,
  type UnderscoreAction,
} from "../model/index.ts";
import type { LogLevel } from "../telemetry/port.ts";
import { speakerOptionsFrom } from "./announce/announce-options.ts";
import type { GatewayAddressesOptions } from "./gateway-addresses/gateway-addresses.ts";
import { identityFrom } from "./identity.ts";
import { tracingOptionsFrom, type TracingOptions } from "./tracing-options.ts";
import { transportOptionsFrom, type TransportOptions } from "./transport-choice.ts";

export interface ServeOptions {
  /** Files and directories of resources; watched. */
  readonly paths: readonly string[];
  /** Data-plane threads; with 1 there are no workers. */
  readonly concurrency: number;
  readonly identity: ProxyIdentity;
  /** Where calls between services are taken; null = not at all. */
  readonly mesh: { readonly bind: string; readonly port: number } | null;
  /** Configured port → where it is really bound; a target without a host leaves that to the Gateway, else to `defaultBind`. */
  readonly portMap: ReadonlyMap<number, BindAddress>;
  /** Address of gateway ports that name none; "" = all. */
  readonly defaultBind: string;
  /** null = addresses are not its matter. */
  readonly addresses: GatewayAddressesOptions | null;
  readonly admin: BindAddress;
  readonly status: BindAddress;
  readonly stats: BindAddress;
  /** null = off. */
  readonly accessLog: { readonly format: "text" | "json"; /** null = stdout. */ readonly file: string | null } | null;
  /** null = off. */
  readonly tracing: TracingOptions | null;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  /** Listens beside another process of this user that has the same ports. */
  readonly takeOver: boolean;
  /** How long everything is served as before once the process was asked to end by SIGTERM. */
  readonly drainDelayMs: number;
  /** How long requests in flight may take to finish after that. */
  readonly drainMs: number;
  readonly traffic: TrafficOptions;
  readonly transport: TransportOptions;
}

/** What of a serving process depends on its command. */
export interface ServeCommand {
  /** null = no mesh. */
  readonly meshPort: number | null;
  /** null = addresses are not its matter. */
  readonly announce: GatewayAddressesOptions["announce"] | null;
}

/** Reads the options that all serving commands share. */
export function serveOptionsFrom(
  values: OptionValues,
  paths: readonly string[],
  { meshPort, announce }: ServeCommand,
): ServeOptions {
  const accessLog = values.text("access-log");
  return {
    paths,
    concurrency: values.text("concurrency") === "auto" ? availableParallelism() : values.number("concurrency"),
    identity: identityFrom(values),
    mesh: meshPort === null ? null : { bind: "127.0.0.1", port: meshPort },
    portMap: parsePortMap(values),
    defaultBind: values.optionalText("bind") ?? "",
    addresses: announce === null ? null : { announce, speaker: speakerOptionsFrom(values, true) },
    admin: { host: values.text("admin-bind"), port: values.number("admin-port") },
    status: { host: "", port: values.number("status-port") },
    stats: { host: "", port: values.number("stats-port") },
    accessLog:
      accessLog === "off"
        ? null
        : { format: accessLog as "text" | "json", file: values.optionalText("access-log-file") },
    tracing: tracingOptionsFrom(values, process.env),
    logLevel: values.text("log-level") as LogLevel,
    logFormat: values.text("log-format") as "text" | "json",
    takeOver: values.flag("take-over"),
    drainDelayMs: values.number("drain-delay-seconds") * 1000,
    drainMs: values.number("drain-seconds") * 1000,
    traffic: {
      ...limitOptions(values.limits()),
      underscores: values.text("underscores") as UnderscoreAction,
      pathNormalization: values.text("path-normalization") as PathNormalization,
      escapedSlashes: values.text("escaped-slashes") as EscapedSlashAction,
    },
    transport: transportOptionsFrom(values, process.env),
  };
}
