// SPDX-License-Identifier: Apache-2.0
// Nodes that speak BGP, on hosts of a test network.

import { fileURLToPath } from "node:url";

import type { BgpPeerConfig, BgpPeerStatus, BgpSpeakerOptions } from "../../../src/announce/bgp/index.ts";
import type { BgpCommand, BgpMessage } from "./bgp-node.ts";
import { JsonPeer } from "./json-lines.ts";
import type { Host } from "./test-network.ts";

const program = fileURLToPath(new URL("bgp-node.ts", import.meta.url));

export type BgpReport = Extract<BgpMessage, { readonly report: unknown }>["report"];
type Routes = Extract<BgpCommand, { readonly routes: unknown }>["routes"];
type Route = Routes[string][number];

export class SpeakingNode {
  readonly peer: JsonPeer<BgpMessage>;

  private constructor(peer: JsonPeer<BgpMessage>) {
    this.peer = peer;
  }

  static async start(host: Host, options: Partial<BgpSpeakerOptions> = {}): Promise<SpeakingNode> {
    const node = new SpeakingNode(new JsonPeer(host.node(program, JSON.stringify(options))));
    await node.peer.hear((message) => "ready" in message);
    return node;
  }

  setPeers(...peers: readonly BgpPeerConfig[]): void {
    this.#tell({ peers });
  }

  setRoutes(routes: Routes): void {
    this.#tell({ routes });
  }

  /** Of the first log line with this message from `from` on, said already or not yet. */
  async logged(message: string, from = 0): Promise<Readonly<Record<string, unknown>>> {
    const found = await this.peer.hear((each) => "log" in each && each.log === message, from);
    return (found as Extract<BgpMessage, { readonly log: string }>).fields;
  }

  async up(from = 0): Promise<Readonly<Record<string, unknown>>> {
    return this.logged("BGP session is up", from);
  }

  async report(): Promise<BgpReport> {
    const from = this.peer.messages.length;
    this.#tell({ report: true });
    const message = await this.peer.hear((each) => "report" in each, from);
    return message.report;
  }

  /** Of the only peer. */
  async status(): Promise<BgpPeerStatus> {
    return (await this.report()).status[0]!;
  }

  async stop(graceful: boolean): Promise<void> {
    this.#tell({ stop: { graceful } });
    await this.peer.hear((message) => "stopped" in message);
    await this.peer.end();
  }

  #tell(command: BgpCommand): void {
    this.peer.tell(command);
  }
}

/** A neighbour of another AS; times are short so that what is to be seen happens within a test. */
export function peerConfig(values: Partial<BgpPeerConfig> & Pick<BgpPeerConfig, "address">): BgpPeerConfig {
  return {
    name: "router",
    localAsn: 65_001,
    peerAsn: 65_000,
    port: 179,
    sourceAddress: "",
    routerId: "",
    holdTimeMs: 9_000,
    keepaliveTimeMs: 3_000,
    connectTimeMs: 1_000,
    password: null,
    bfd: null,
    gracefulRestart: false,
    ebgpMultiHop: false,
    ttlSecurityHops: 0,
    bothFamilies: false,
    passive: false,
    ...values,
  };
}

export function route(prefix: string, values: Partial<Route> = {}): Route {
  return { prefix, localPref: null, communities: [], largeCommunities: [], ...values };
}
