// SPDX-License-Identifier: Apache-2.0
// The options of `naru announce` and `naru vips`, as data, and what other commands that announce share with them; rows of the
// table in commands.ts.

import type { CommandSpec, OptionSpec } from "./command.ts";
import { adminBind, filename, help, logFormat, logLevel, output, paths } from "./shared-options.ts";

const loadBalancerClass: OptionSpec = {
  kind: "text",
  name: "lb-class",
  placeholder: "CLASS",
  description: "Serve Services of this spec.loadBalancerClass (default: those that have none)",
};

/** Of every command that announces. */
export const speakerOptions: readonly OptionSpec[] = [
  {
    kind: "text",
    name: "node",
    placeholder: "NAME",
    description: "Name of this node, another one on each (default: the host's name)",
  },
  {
    kind: "text",
    name: "node-labels",
    placeholder: "KEY=VALUE",
    repeatable: true,
    description: "Labels of this node, beside those of its Node resource (comma-separated)",
  },
  {
    kind: "text",
    name: "interfaces",
    placeholder: "NAME",
    repeatable: true,
    description: "Announce in layer 2 on these interfaces only (comma-separated; default: all that can)",
  },
  {
    kind: "text",
    name: "exclude-interfaces",
    placeholder: "PATTERN",
    repeatable: true,
    description:
      "Announce on no interface whose name matches this regular expression (default: those that container runtimes make, e.g. ^veth.* and ^docker.*)",
  },
  {
    kind: "choice",
    name: "probe",
    choices: ["on", "off"],
    default: "on",
    description: "Before the first announcement of an address, ask for a second whether somebody else has it",
  },
  {
    kind: "seconds",
    name: "announce-interval",
    placeholder: "SECONDS",
    default: "0",
    description:
      "Repeat gratuitous ARP and unsolicited neighbor advertisements so often, for networks that forget addresses; 0: only for five seconds after each change",
  },
  {
    kind: "text",
    name: "peers",
    placeholder: "HOST[:PORT]",
    repeatable: true,
    description:
      "Where the other announcing nodes hear heartbeats (comma-separated; default: whoever hears our multicast); needs --key-file",
  },
  {
    kind: "path",
    name: "key-file",
    placeholder: "PATH",
    description:
      "Secret of all nodes that signs heartbeats, made by 'openssl rand -hex 32' and read again at SIGHUP (default: this node is alone)",
  },
  {
    kind: "port",
    name: "heartbeat-port",
    placeholder: "PORT",
    default: "7947",
    description: "UDP port on which this node hears heartbeats",
  },
  {
    kind: "text",
    name: "heartbeat-bind",
    placeholder: "HOST",
    default: "0.0.0.0",
    description: "Address on which this node hears heartbeats; :: for IPv6. Without --peers it must be 0.0.0.0 or ::",
  },
  {
    kind: "seconds",
    name: "fail-back-delay",
    placeholder: "SECONDS",
    default: "60",
    description: "How long a node must be ready before it takes back addresses that another one announces",
  },
  {
    kind: "text",
    name: "bgp-listen",
    placeholder: "[HOST:]PORT",
    repeatable: true,
    description: "Let BGP peers connect here, e.g. 179 (default: only this node connects)",
  },
  {
    kind: "flag",
    name: "bgp-passive",
    description: "Connect to no BGP peer, and wait for them to connect; needs --bgp-listen",
  },
  loadBalancerClass,
];

export const announceCommand: CommandSpec = {
  name: "announce",
  summary: "Announce the addresses of LoadBalancer Services by ARP, NDP and BGP",
  details: [
    "Reads IPAddressPools, advertisements, BGPPeers and Services from files, gives each Service its address and announces it: in layer 2 from one node, by BGP from every node. All nodes read the same files and agree without talking about it; heartbeats tell them who is alive.",
    "Layer 2 needs CAP_NET_RAW and, for --bind-vip, CAP_NET_ADMIN; BGP needs no privilege, unless it listens on port 179.",
    "SIGTERM and SIGINT: hand over to the other nodes, withdraw routes, answer no more, exit 0. A second signal ends it at once.",
  ],
  positional: paths,
  options: [
    filename,
    ...speakerOptions,
    {
      kind: "flag",
      name: "bind-vip",
      description:
        "Put announced addresses on this machine's loopback, for programs that listen on them; needs CAP_NET_ADMIN",
    },
    {
      kind: "port",
      name: "admin-port",
      placeholder: "PORT",
      default: "7471",
      description: "Admin pages: /vips and more",
    },
    adminBind,
    {
      kind: "port",
      name: "status-port",
      placeholder: "PORT",
      default: "17472",
      description: "Readiness probe, /healthz/ready",
    },
    {
      kind: "port",
      name: "stats-port",
      placeholder: "PORT",
      default: "7472",
      description: "Prometheus metrics, /metrics",
    },
    logLevel,
    logFormat,
    help,
  ],
  examples: [
    {
      command: "naru announce -f config/ --node a",
      explains: "announce from this node alone what config/ says",
    },
    {
      command: "naru announce -f config/ --node a --peers 10.0.0.2,10.0.0.3 --key-file /etc/naru/key",
      explains: "as one of three nodes that stand in for each other",
    },
  ],
};

export const vipsCommand: CommandSpec = {
  name: "vips",
  summary: "Show which Service has which address, and who announces it to whom",
  details: [
    "From files it says what every node would decide that reads them. With --admin it asks a running 'naru announce' what is so: who announces, and how its BGP sessions are.",
    "Exit code 1 when a Service has no address or is announced by nobody.",
  ],
  positional: paths,
  options: [
    filename,
    {
      kind: "text",
      name: "admin",
      placeholder: "HOST:PORT",
      description: "Ask the announcer with its admin pages there, instead of files",
    },
    output,
    loadBalancerClass,
    logLevel,
    help,
  ],
  examples: [
    { command: "naru vips -f config/", explains: "what config/ gives to whom" },
    { command: "naru vips --admin 127.0.0.1:7471", explains: "what the announcer of this node does now" },
  ],
};
