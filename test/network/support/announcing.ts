// SPDX-License-Identifier: Apache-2.0
// Nodes that announce in layer 2, on hosts of a test network.

import { fileURLToPath } from "node:url";

import type { Layer2Announcement, Layer2Options } from "../../../src/announce/layer2/index.ts";
import { JsonPeer } from "./json-lines.ts";
import type { Layer2Message } from "./layer2-node.ts";
import type { Host } from "./test-network.ts";

const program = fileURLToPath(new URL("layer2-node.ts", import.meta.url));

export type Layer2Report = Extract<Layer2Message, { readonly report: unknown }>["report"];

/** Patterns would exclude no interface of a test network; so none is the default here. */
export class AnnouncingNode {
  readonly peer: JsonPeer<Layer2Message>;

  private constructor(peer: JsonPeer<Layer2Message>) {
    this.peer = peer;
  }

  static async start(host: Host, options: Partial<Layer2Options> = {}): Promise<AnnouncingNode> {
    const node = new AnnouncingNode(new JsonPeer(host.node(program, JSON.stringify(options))));
    await node.peer.hear((message) => "ready" in message);
    return node;
  }

  /** Resolves once it was told and has sent what it sends at once. */
  async set(...announcements: readonly Layer2Announcement[]): Promise<void> {
    const from = this.peer.messages.length;
    this.peer.tell({ set: announcements });
    await this.peer.hear((message) => "done" in message, from);
  }

  async report(): Promise<Layer2Report> {
    const from = this.peer.messages.length;
    this.peer.tell({ report: true });
    const message = await this.peer.hear((each) => "report" in each, from);
    return message.report;
  }

  /** Of the sample with this name and label. */
  async sample(name: string, label: string): Promise<number> {
    const { samples } = await this.report();
    const found = samples.find(([each, labels]) => each === name && labels === label);
    if (found === undefined) throw new Error(`no sample ${name} ${label}`);
    return found[2];
  }

  async end(): Promise<void> {
    await this.peer.end();
  }
}
