// SPDX-License-Identifier: Apache-2.0
// The options of `naru demo`, as data; a row of the table in commands.ts.

import type { CommandSpec } from "./command.ts";
import { transportOptions } from "./transport-options.ts";

export const demoCommand: CommandSpec = {
  name: "demo",
  summary: "Run the Bookinfo example as a live mesh on this machine",
  details: [
    "Starts Istio's Bookinfo, four services in six processes, behind a gateway and a mesh listener, and shows the traffic of each service and version. Needs no cluster and no container; all ports are on 127.0.0.1.",
    "Ports other than the gateway's move to a free one when their default is taken. Exit code 0 when it is ended or its time is up, 1 when a service died.",
  ],
  positional: null,
  options: [
    {
      kind: "port",
      name: "port",
      placeholder: "PORT",
      default: "8080",
      description: "Port of the gateway; 0 takes any free port",
    },
    {
      kind: "path",
      name: "routing",
      placeholder: "PATH",
      description: "Routes between the services in place of the example's, e.g. one of examples/bookinfo/variations",
    },
    {
      kind: "text",
      name: "traffic",
      placeholder: "RATE",
      default: "0",
      description: "Page views per second that the demo makes itself",
    },
    {
      kind: "seconds",
      name: "exit-after",
      placeholder: "SECONDS",
      description: "End after this time (default: run until Ctrl-C)",
    },
    { kind: "flag", name: "quiet", description: "Print nothing but the address of the page" },
    {
      kind: "port",
      name: "mesh-port",
      placeholder: "PORT",
      default: "15001",
      description: "Port that takes requests for services, by Host header",
    },
    { kind: "port", name: "admin-port", placeholder: "PORT", default: "15000", description: "Admin pages" },
    {
      kind: "port",
      name: "status-port",
      placeholder: "PORT",
      default: "15021",
      description: "Readiness probe, /healthz/ready",
    },
    {
      kind: "port",
      name: "stats-port",
      placeholder: "PORT",
      default: "15090",
      description: "Prometheus metrics, /stats/prometheus",
    },
    {
      kind: "choice",
      name: "log-level",
      choices: ["trace", "debug", "info", "warning", "error", "off"],
      default: "warning",
      description: "Least severe messages to log",
    },
    ...transportOptions,
    { kind: "flag", name: "help", short: "h", description: "Show this help" },
  ],
  examples: [
    { command: "naru demo", explains: "then open http://127.0.0.1:8080/productpage" },
    { command: "naru demo --traffic 20", explains: "with page views of its own, so that the table moves" },
    { command: "naru demo --port 0 --exit-after 30 --quiet", explains: "for a script: any free port, half a minute" },
  ],
};
