// SPDX-License-Identifier: Apache-2.0
// Every command and option there is, as data. Nothing here runs: main.ts maps names to the roles that do.

import { defaultTraffic, escapedSlashActions, pathNormalizations, underscoreActions } from "../model/index.ts";
import { announceCommand, speakerOptions, vipsCommand } from "./announce-command.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { convertCommand } from "./convert-command.ts";
import { demoCommand } from "./demo-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { adminBind, filename, help, logFormat, logLevel, output, paths } from "./shared-options.ts";
import { transportOptions } from "./transport-options.ts";

/** Which proxy we pretend to be: decides what selects us and where short names resolve. */
const identity: readonly OptionSpec[] = [
  {
    kind: "text",
    name: "labels",
    placeholder: "KEY=VALUE",
    repeatable: true,
    default: "istio=ingressgateway",
    description: "Labels of this gateway; a Gateway is served when its selector is among them (comma-separated)",
  },
  {
    kind: "text",
    name: "namespace",
    short: "n",
    placeholder: "NAME",
    default: "default",
    description: "Namespace of this process: what it may see, and where short names of its callers resolve",
  },
  {
    kind: "text",
    name: "cluster-domain",
    placeholder: "DOMAIN",
    default: "cluster.local",
    description: "What a service's full name ends in",
  },
];

const meshPort: OptionSpec = {
  kind: "port",
  name: "mesh-port",
  placeholder: "PORT",
  default: "15001",
  description: "Port that takes requests for services, by Host header; on 127.0.0.1",
};

const pathNormalization: OptionSpec = {
  kind: "choice",
  name: "path-normalization",
  choices: pathNormalizations,
  default: defaultTraffic.pathNormalization,
  description: "What is done to a path before it is matched and forwarded, by Istio's names",
};

const escapedSlashes: OptionSpec = {
  kind: "choice",
  name: "escaped-slashes",
  choices: escapedSlashActions,
  default: defaultTraffic.escapedSlashes,
  description: "%2F and %5C in a path: keep them, reject the request, or decode them before anything else",
};

/** More threads are more throughput, and 13 MB each: worth it for a gateway, seldom on a developer's machine. */
function concurrency(byDefault: string): OptionSpec {
  return {
    kind: "threads",
    name: "concurrency",
    placeholder: "N|auto",
    default: byDefault,
    description: "Data-plane threads; auto takes as many as the process may use cores",
  };
}

/** A gateway has balancers before it, which need time to notice; a developer has none, and no patience. */
function drainDelay(byDefault: string): OptionSpec {
  return {
    kind: "seconds",
    name: "drain-delay-seconds",
    placeholder: "SECONDS",
    default: byDefault,
    description: "How long after SIGTERM everything is still served, while readiness already says no",
  };
}

const takeOver: OptionSpec = {
  kind: "flag",
  name: "take-over",
  description: "Listen beside another naru of this user that has the same ports, which is to be stopped then",
};

const serving: readonly OptionSpec[] = [
  {
    kind: "text",
    name: "listen",
    placeholder: "PORT=[HOST:]PORT",
    repeatable: true,
    description: "Serve a Gateway's port on another one, e.g. 80=8080; the right side 0 takes any free port",
  },
  {
    kind: "text",
    name: "bind",
    placeholder: "HOST",
    description: "Address for Gateway ports that name none (default: all addresses, IPv4 and IPv6)",
  },
  ...identity,
  {
    kind: "port",
    name: "admin-port",
    placeholder: "PORT",
    default: "15000",
    description: "Admin pages: configuration, clusters, statistics, log levels",
  },
  adminBind,
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
    name: "access-log",
    choices: ["off", "text", "json"],
    default: "off",
    description: "One line for each request, in Istio's default text or JSON format",
  },
  {
    kind: "path",
    name: "access-log-file",
    placeholder: "PATH",
    description: "Where the access log goes (default: stdout); SIGHUP reopens it",
  },
  {
    kind: "text",
    name: "otlp-endpoint",
    placeholder: "URL",
    description:
      "Collector of traces, OTLP over HTTP, e.g. http://localhost:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT, else tracing is off)",
  },
  {
    kind: "percent",
    name: "trace-sampling",
    placeholder: "PERCENT",
    default: "1",
    description: "How many of the requests are traced that come without a decision about it; 0 to 100",
  },
  logLevel,
  logFormat,
  {
    kind: "seconds",
    name: "drain-seconds",
    placeholder: "SECONDS",
    default: "45",
    description: "How long requests in flight may take to finish after SIGTERM or SIGINT",
  },
  takeOver,
  {
    kind: "limit",
    name: "limit",
    placeholder: "NAME=VALUE",
    repeatable: true,
    description: "Change a limit, e.g. header-bytes=32Ki; 'naru help limits' explains each",
  },
  {
    kind: "choice",
    name: "underscores",
    choices: underscoreActions,
    default: defaultTraffic.underscores,
    description: "Request headers with _ in their name: pass them on, drop them, or reject the request",
  },
  pathNormalization,
  escapedSlashes,
  ...transportOptions,
  help,
];

const announce: OptionSpec = {
  kind: "flag",
  name: "announce",
  description:
    "Announce the addresses of LoadBalancer Services, too, and listen on those of the Services that select this gateway while they are ours; needs CAP_NET_ADMIN and, for layer 2, CAP_NET_RAW",
};

const noAnnounce: OptionSpec = {
  kind: "flag",
  name: "no-announce",
  description: "Announce nothing: Services that select this gateway get addresses of this machine's loopback",
};

const gateway: CommandSpec = {
  name: "gateway",
  summary: "Serve Istio Gateways and VirtualServices as an ingress gateway",
  details: [
    "Reads resources from files, listens on the ports of the Gateways that select it and follows every change of the files without dropping a request.",
    "SIGTERM: turn readiness off, wait --drain-delay-seconds, stop accepting, finish what is in flight, exit 0 (1 when requests had to be cut off). SIGINT: the same without the wait. A second signal ends it at once. SIGHUP reopens log files.",
    "With --announce it is 'naru announce' as well: each address moves to another node before anything is drained.",
  ],
  positional: paths,
  options: [
    filename,
    concurrency("auto"),
    drainDelay("5"),
    announce,
    ...speakerOptions.map((option) => ({ ...option, needs: announce.name })),
    ...serving,
  ],
  examples: [
    { command: "naru gateway -f config/ --listen 80=8080", explains: "serve what config/ says, its port 80 on 8080" },
    {
      command: "naru gateway -f config/ --listen 80=127.0.0.1:8080 --access-log text",
      explains: "only for this machine, with an access log",
    },
    {
      command: "naru gateway -f config/ --announce --node a --key-file /etc/naru/key",
      explains: "as one of several nodes that stand in for each other, on the address of its Service",
    },
  ],
};

const up: CommandSpec = {
  name: "up",
  summary: "Run all that a directory of YAML needs, on this machine and without a cluster",
  details: [
    "The gateway, and a mesh listener for calls between services, in one process; prints what is served where once it is ready.",
    "Services reach each other through the mesh listener: send the request there with the service's name in the Host header.",
    "A Service of type LoadBalancer that selects the gateway gets an address: of an IPAddressPool and announced, where the files have one and this process may (see 'naru announce'), else one of this machine's loopback.",
  ],
  positional: paths,
  options: [filename, concurrency("1"), meshPort, drainDelay("0"), noAnnounce, ...speakerOptions, ...serving],
  examples: [
    { command: "naru up config/ --listen 80=8080", explains: "serve config/ and show what is routed where" },
    {
      command: "naru up gateway.yaml services.yaml --listen 80=0 --admin-port 0",
      explains: "take any free ports and print them",
    },
  ],
};

const validate: CommandSpec = {
  name: "validate",
  summary: "Report every problem in the configuration, with file, line and column",
  details: ["Exit code 0: no errors (warnings are allowed), 1: errors, 2: wrong command line."],
  positional: paths,
  options: [
    filename,
    {
      kind: "choice",
      name: "output",
      short: "o",
      choices: ["text", "table", "json", "yaml"],
      default: "text",
      description: "text prints one line per problem, as compilers do",
    },
    { kind: "flag", name: "warnings-as-errors", description: "Exit with 1 when there are warnings" },
    ...identity,
    logLevel,
    help,
  ],
  examples: [
    { command: "naru validate -f config/", explains: "every problem, one per line, and a summary" },
    {
      command: "naru validate config/ --warnings-as-errors -o json",
      explains: "for a pipeline: strict, and readable by programs",
    },
  ],
};

const routes: CommandSpec = {
  name: "routes",
  summary: "List all routes, or explain where one request goes and why",
  details: [
    "Without --host and --path it lists every route in the order in which they are tried. With either it follows that request: which virtual host, which rule at which file and line, which destinations, and why each earlier rule did not match.",
    "Exit code 1 when no route matches.",
  ],
  positional: paths,
  options: [
    filename,
    {
      kind: "text",
      name: "host",
      placeholder: "HOST",
      description: "Host header of the request, e.g. shop.example:8080 (default: localhost)",
    },
    { kind: "text", name: "path", placeholder: "PATH", description: "Path of the request with its query (default: /)" },
    { kind: "text", name: "method", placeholder: "METHOD", default: "GET", description: "Method of the request" },
    {
      kind: "text",
      name: "header",
      short: "H",
      placeholder: "'NAME: VALUE'",
      repeatable: true,
      description:
        "A header of the request, as the client sends it; naru replaces and drops some before it chooses a route",
    },
    {
      kind: "text",
      name: "from",
      placeholder: "ADDRESS",
      default: "127.0.0.1",
      description: "Who connects; a gateway appends it to x-forwarded-for",
    },
    {
      kind: "port",
      name: "port",
      placeholder: "PORT",
      description: "Only this listener, by its configured port; with --mesh the service's port",
    },
    { kind: "flag", name: "mesh", description: "Follow the mesh's routes instead of the gateways'" },
    output,
    pathNormalization,
    escapedSlashes,
    ...identity,
    logLevel,
    help,
  ],
  examples: [
    { command: "naru routes -f config/", explains: "every route, in the order they are tried" },
    {
      command: "naru routes -f config/ --host shop.example --path /cart",
      explains: "where this request goes, and why",
    },
    {
      command: "naru routes -f config/ --mesh --host reviews --port 9080 --path / -H 'end-user: jason'",
      explains: "the same for a call between services",
    },
  ],
};

const version: CommandSpec = {
  name: "version",
  summary: "Show the version of naru, Node.js and the platform",
  details: [],
  positional: null,
  options: [
    {
      kind: "choice",
      name: "output",
      short: "o",
      choices: ["text", "json", "yaml"],
      default: "text",
      description: "Format of the answer",
    },
    help,
  ],
  examples: [{ command: "naru version -o json", explains: "readable by programs" }],
};

const helpCommand: CommandSpec = {
  name: "help",
  summary: "Show the help of a command",
  details: [],
  positional: {
    placeholder: "COMMAND",
    description: "The command to explain, or limits (default: all commands in short)",
    repeatable: false,
  },
  options: [help],
  examples: [{ command: "naru help gateway", explains: "the same as naru gateway --help" }],
};

/** In the order of the help text. */
export const commandTable: readonly CommandSpec[] = [
  up,
  demoCommand,
  gateway,
  announceCommand,
  validate,
  routes,
  vipsCommand,
  doctorCommand,
  convertCommand,
  version,
  helpCommand,
];
