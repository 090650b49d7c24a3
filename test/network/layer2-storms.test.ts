// SPDX-License-Identifier: Apache-2.0
// Storms of requests: what they may cost, and that others are still answered.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireTool } from "../support/requires.ts";
import { AnnouncingNode } from "./support/announcing.ts";
import { openClientNetwork } from "./support/client-network.ts";
import { JsonPeer } from "./support/json-lines.ts";
import { TestNetwork } from "./support/test-network.ts";

const storm = fileURLToPath(new URL("support/arp-storm.ts", import.meta.url));
const vip = "10.9.0.200";
const perSecond = 50_000;
const seconds = 2;
const megabyte = 1_000_000;

/** Share of a core, and growth, that a storm may cost: several times what is measured on a machine that does nothing else. */
const bounds = { core: 0.4, idleCore: 0.05, growthBytes: 25 * megabyte };

type StormMessage = { readonly started: true } | StormEnd;
interface StormEnd {
  readonly sent: number;
  readonly seconds: number;
}

suite("a storm of 50,000 requests a second", () => {
  const storms = [
    { what: "for another address is kept out by the kernel", target: "10.9.0.250", senders: 1, core: bounds.idleCore },
    { what: "of one host is answered twenty times a second", target: vip, senders: 1, core: bounds.core },
    { what: "of as many hosts costs a bounded part of a core", target: vip, senders: 1_000_000, core: bounds.core },
  ];
  for (const { what, target, senders, core } of storms) {
    test(what, async (t) => {
      const arping = requireTool(t, "arping");
      const network = arping === null ? null : TestNetwork.open(t);
      if (arping === null || network === null) return;
      const { first, second, client } = await openClientNetwork(network);
      const node = await AnnouncingNode.start(first);
      await node.set({ ip: vip, interfaces: [] });
      const before = await node.report();
      const storming = new JsonPeer<StormMessage>(
        client.node(storm, target, String(perSecond), String(seconds), String(senders)),
      );
      await storming.hear((message) => "started" in message);
      // Asks once a second until it is answered; a storm that fills the kernel's queue costs it some tries.
      const asking = second.attempt(
        arping,
        "-f",
        "-c",
        String(seconds * 3),
        "-w",
        String(seconds * 3),
        "-I",
        "eth0",
        vip,
      );
      const sent = await storming.hear((message): message is StormEnd => "sent" in message);
      const after = await node.report();

      assert.ok(sent.sent > 10_000 * seconds, `only ${sent.sent} were sent: no storm`);
      const used = (after.cpuMs - before.cpuMs) / 1_000 / sent.seconds;
      assert.ok(used < core, `${used.toFixed(3)} of a core`);
      const grown = after.rssBytes - before.rssBytes;
      assert.ok(grown < bounds.growthBytes, `${Math.round(grown / megabyte)} MB more`);
      assert.match((await asking).stdout, /Received 1 response/);
      const answered = await node.sample("metallb_layer2_responses_sent", vip);
      if (senders === 1) assert.ok(answered <= 20 * (seconds + 3) + 2, `${answered} answers`);
      await node.end();
    });
  }
});
