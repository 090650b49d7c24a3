// SPDX-License-Identifier: Apache-2.0
// What must hold of BGP sessions and of what a peer is told, whatever happens. For the tests and the fuzzer.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import * as fc from "fast-check";

import type { PathAttributes } from "../../src/announce/bgp/messages/attributes.ts";
import { encodeKeepalive } from "../../src/announce/bgp/messages/framing.ts";
import { encodeOpen } from "../../src/announce/bgp/messages/open.ts";
import { prefixText } from "../../src/announce/bgp/messages/prefixes.ts";
import { parseUpdate } from "../../src/announce/bgp/messages/update.ts";
import { AdvertisedRoutes } from "../../src/announce/bgp/routes.ts";
import type { SessionAction, SessionEvent, Side, TimerName } from "../../src/announce/bgp/session/events.ts";
import { Session } from "../../src/announce/bgp/session/session.ts";
import { sessionOptions } from "../unit/announce/bgp/scripted-session.ts";
import { anyMessage, framed } from "./bgp-messages.ts";

type Step =
  | { readonly do: "start" | "stop" | "stop-silently" | "knock" | "reset" }
  | { readonly do: "connected" }
  | { readonly do: "closed"; readonly side: Side }
  | { readonly do: "receive"; readonly side: Side; readonly message: Buffer }
  | { readonly do: "timer"; readonly index: number }
  | { readonly do: "pass"; readonly ms: number };

const side = fc.constantFrom<Side>("outgoing", "incoming");
const goodOpen = fc
  .record({ restarts: fc.boolean(), routerId: fc.constantFrom(0x09000001, 0x0b000001) })
  .map(({ restarts, routerId }) =>
    encodeOpen({
      asn: 65_000,
      holdTimeSeconds: 90,
      routerId,
      capabilities: {
        families: [4],
        routeRefresh: true,
        asn: 65_000,
        gracefulRestart: restarts ? { restarting: true, notification: false, timeSeconds: 9, families: [] } : null,
      },
    }),
  );
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("start", "stop", "stop-silently", "reset") }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("start", "knock", "connected") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("closed"), side }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("receive"), side, message: goodOpen }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("receive"), side, message: fc.constant(encodeKeepalive()) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("receive"), side, message: anyMessage }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("timer"), index: fc.nat({ max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat({ max: 100_000 }) }) },
);

/** What surrounds a session: says only what can happen, and holds its actions against what there is. */
class World {
  nowMs = 0;
  readonly session: Session;
  readonly open = new Set<Side>();
  readonly timers = new Set<TimerName>();
  connecting = false;
  up = false;

  constructor(restarts: boolean) {
    const options = { ...sessionOptions, gracefulRestart: restarts ? { timeSeconds: 60 } : null };
    this.session = new Session({ clock: { nowMs: () => this.nowMs }, random: () => 0.5 }, options);
  }

  tell(event: SessionEvent): void {
    for (const action of this.session.handle(event)) this.#check(action);
    assert.equal(this.session.state === "Established", this.up);
    if (this.open.size === 0 && this.session.state !== "Idle")
      assert.ok(["Connect", "Active"].includes(this.session.state));
  }

  #check(action: SessionAction): void {
    switch (action.kind) {
      case "connect":
        assert.ok(!this.connecting && !this.open.has("outgoing"), "a second attempt to connect");
        this.connecting = true;
        return;
      case "send":
        assert.ok(this.open.has(action.side), "sent to nobody");
        return;
      case "close":
        assert.ok(this.open.delete(action.side) || (action.side === "outgoing" && this.connecting), "nothing to close");
        if (action.side === "outgoing") this.connecting = false;
        return;
      case "set-timer":
        this.timers.add(action.timer);
        return;
      case "clear-timer":
        this.timers.delete(action.timer);
        return;
      case "established":
        assert.ok(!this.up);
        this.up = true;
        return;
      case "failed":
        if (action.wasEstablished) {
          assert.ok(this.up);
          this.up = false;
        }
        return;
      default:
        assert.ok(this.up);
    }
  }
}

function perform(world: World, { ...each }: Step): void {
  switch (each.do) {
    case "start":
      return world.tell({ kind: "start" });
    case "stop":
    case "stop-silently": {
      const notification = each.do === "stop" ? { code: 6, subcode: 2, data: Buffer.alloc(0) } : null;
      world.tell({ kind: "stop", notification });
      assert.equal(world.timers.size + world.open.size + Number(world.connecting), 0, "something goes on");
      return;
    }
    case "reset":
      return world.tell({ kind: "reset", notification: { code: 6, subcode: 10, data: Buffer.alloc(0) }, reason: "x" });
    case "knock":
      world.tell({ kind: "knocked" });
      if (!world.session.canAccept) return;
      world.open.add("incoming");
      return world.tell({ kind: "connected", side: "incoming", routerId: 0x0a000001 });
    case "connected":
      if (!world.connecting) return;
      world.connecting = false;
      world.open.add("outgoing");
      return world.tell({ kind: "connected", side: "outgoing", routerId: 0x0a000001 });
    case "closed":
      if (!world.open.delete(each.side) && !(each.side === "outgoing" && world.connecting)) return;
      if (each.side === "outgoing") world.connecting = false;
      return world.tell({ kind: "closed", side: each.side, reason: "lost" });
    case "receive":
      if (!world.open.has(each.side)) return;
      return world.tell({ kind: "frame", side: each.side, ...framed(each.message) });
    case "timer": {
      const timer = [...world.timers][each.index % Math.max(1, world.timers.size)];
      if (timer === undefined) return;
      world.timers.delete(timer);
      return world.tell({ kind: "timer", timer });
    }
    case "pass":
      world.nowMs += each.ms;
  }
}

export const sessions = fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (restarts, steps) => {
  const world = new World(restarts);
  world.tell({ kind: "start" });
  for (const each of steps) {
    perform(world, each);
    // It always wants something: a timer, an attempt or a connection, unless it was stopped.
    const isStopped = world.session.state === "Idle" && world.timers.size === 0;
    assert.ok(
      isStopped || world.connecting || world.open.size > 0 || world.timers.size > 0,
      "nothing will ever happen",
    );
  }
});

const routeSet = fc.array(
  fc.record({
    prefix: fc.constantFrom("10.0.0.1/32", "10.0.0.2/32", "10.0.0.0/24", "2001:db8::1/128", "2001:db8::/64", "::/0"),
    localPref: fc.constantFrom(null, 100, 200),
    communities: fc.constantFrom([], [1], [2, 1], [1, 2]),
    largeCommunities: fc.constantFrom([], [[1, 2, 3] as const]),
  }),
  { maxLength: 6 },
);

/** After each change, a table built from the UPDATEs alone holds exactly what was wanted. */
export const tables = fc.property(fc.array(routeSet, { maxLength: 6 }), fc.boolean(), (changes, internal) => {
  const known = new AdvertisedRoutes();
  const agreement = { internal, families: [4, 6] as const, fourOctetAs: true };
  const context = { localAsn: 65_001, agreement, nextHops: { 4: "10.9.9.9", 6: "2001:db8::9" } };
  const table = new Map<string, string>();
  for (const change of changes) {
    const wanted = [...new Map(change.map((route) => [route.prefix, route])).values()];
    for (const bytes of known.update(wanted, context)) {
      const update = parseUpdate(framed(bytes).body, agreement);
      for (const which of [4, 6] as const) {
        for (const wire of update.withdrawn[which])
          assert.ok(table.delete(prefixText(wire, which)), "withdrawn, never announced");
        for (const wire of update.announced[which])
          table.set(prefixText(wire, which), JSON.stringify(update.attributes));
      }
    }
    assert.deepEqual([...table.keys()].toSorted(), wanted.map(({ prefix }) => prefix).toSorted());
    assert.equal(known.size, wanted.length);
    for (const route of wanted) {
      const has = JSON.parse(table.get(route.prefix)!) as PathAttributes;
      assert.equal(has.localPref, internal ? (route.localPref ?? 100) : null);
      assert.deepEqual(has.communities, route.communities.toSorted());
      assert.deepEqual(has.largeCommunities, route.largeCommunities);
    }
    assert.deepEqual(known.update(wanted, context), [], "nothing is said twice");
  }
});
