// SPDX-License-Identifier: Apache-2.0
// The state machine of RFC 4271 §8: every state, what moves it, and what it does then.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { suite, test } from "node:test";

import { BgpError, cease } from "../../../../src/announce/bgp/messages/errors.ts";
import { encodeKeepalive, frame } from "../../../../src/announce/bgp/messages/framing.ts";
import { ceaseWith, ceaseWithText, encodeNotification } from "../../../../src/announce/bgp/messages/notification.ts";
import { parseOpen } from "../../../../src/announce/bgp/messages/open.ts";
import { encodeRouteRefresh } from "../../../../src/announce/bgp/messages/route-refresh.ts";
import { encodeEndOfRib } from "../../../../src/announce/bgp/messages/update.ts";
import { peerCapabilities, peerOpen, ScriptedSession } from "./scripted-session.ts";

const update = encodeEndOfRib(4);
const keepalive = encodeKeepalive();

suite("the way to Established", () => {
  test("of our own connection", () => {
    const it = new ScriptedSession();
    assert.equal(it.session.state, "Idle");
    assert.deepEqual(it.start(), ["connect"]);
    assert.equal(it.session.state, "Connect");
    assert.deepEqual(it.connected("outgoing"), ["outgoing OPEN"]);
    assert.equal(it.session.state, "OpenSent");
    assert.equal(it.timers.get("hold:outgoing"), 240_000, "the peer may take 4 minutes for its OPEN");
    assert.deepEqual(it.receive("outgoing", peerOpen()), ["outgoing KEEPALIVE"]);
    assert.equal(it.session.state, "OpenConfirm");
    assert.equal(it.timers.get("hold:outgoing"), 90_000, "the smaller hold time");
    assert.equal(it.timers.get("keepalive:outgoing"), 30_000);
    assert.deepEqual(it.receive("outgoing", keepalive), ["established"]);
    assert.equal(it.session.state, "Established");
    assert.deepEqual([...it.timers.keys()].toSorted(), ["hold:outgoing", "keepalive:outgoing", "send-hold:outgoing"]);
  });

  test("of a connection of the peer, while ours is under way", () => {
    const it = new ScriptedSession();
    it.start();
    assert.deepEqual(it.tell({ kind: "knocked" }), []);
    assert.ok(it.session.canAccept);
    assert.deepEqual(it.connected("incoming"), ["incoming OPEN"]);
    it.receive("incoming", peerOpen());
    assert.deepEqual(it.receive("incoming", keepalive), ["outgoing abort", "established"]);
    assert.equal(it.timers.has("connect-retry"), false);
  });

  test("a passive session only waits", () => {
    const it = new ScriptedSession({ passive: true });
    assert.deepEqual(it.start(), []);
    assert.equal(it.session.state, "Active");
    assert.equal(it.timers.size, 0);
    it.establish("incoming");
    assert.equal(it.session.state, "Established");
  });

  test("offers what it can do", () => {
    const it = new ScriptedSession({
      localAsn: 4_200_000_000,
      families: [4, 6],
      gracefulRestart: { timeSeconds: 120 },
    });
    it.start();
    it.connected("outgoing");
    assert.deepEqual(parseOpen(it.open.subarray(19)), {
      asn: 4_200_000_000,
      holdTimeSeconds: 90,
      routerId: 0x0a000001,
      capabilities: {
        families: [4, 6],
        routeRefresh: true,
        asn: 4_200_000_000,
        gracefulRestart: {
          restarting: true,
          notification: false,
          timeSeconds: 120,
          families: [4, 6].map((family) => ({ family, forwarding: true })),
        },
      },
    });
  });

  test("has restarted until its first session, not after it", () => {
    const it = new ScriptedSession({ gracefulRestart: { timeSeconds: 120 } });
    const isRestarting = (): boolean | undefined =>
      parseOpen(it.open.subarray(19)).capabilities.gracefulRestart?.restarting;
    it.start();
    it.connected("outgoing");
    it.tell({ kind: "closed", side: "outgoing", reason: "reset" });
    it.timer("connect-retry");
    it.establish();
    assert.equal(isRestarting(), true);
    it.tell({ kind: "closed", side: "outgoing", reason: "reset" });
    it.timer("idle-hold");
    it.connected("outgoing");
    assert.equal(isRestarting(), false);
  });
});

suite("what both ends agree on", () => {
  const agree = (options: ConstructorParameters<typeof ScriptedSession>[0], open: Parameters<typeof peerOpen>[0]) => {
    const it = new ScriptedSession(options);
    it.start();
    it.connected("outgoing");
    const did = it.receive("outgoing", peerOpen(open));
    it.receive("outgoing", keepalive);
    return { it, did, agreement: it.session.agreement };
  };

  test("a hold time of 0 means neither hold timer nor keepalives", () => {
    const { it, agreement } = agree({ holdTimeSeconds: 0 }, {});
    assert.equal(agreement?.holdTimeMs, 0);
    assert.equal(it.timers.has("hold:outgoing") || it.timers.has("keepalive:outgoing"), false);
    assert.equal(it.session.state, "Established");
  });

  test("keepalives come three times in a hold time, or as often as configured", () => {
    assert.equal(agree({}, { holdTimeSeconds: 9 }).agreement?.keepaliveTimeMs, 3_000);
    assert.equal(agree({ keepaliveTimeMs: 1_000 }, { holdTimeSeconds: 9 }).agreement?.keepaliveTimeMs, 1_000);
  });

  test("only families of both", () => {
    const both = { ...peerCapabilities, families: [6, 4] as const };
    assert.deepEqual(agree({ families: [4, 6] }, { capabilities: both }).agreement?.families, [4, 6]);
    assert.deepEqual(agree({ families: [4, 6] }, {}).agreement?.families, [4]);
    const none = agree({ families: [6] }, {});
    assert.deepEqual(none.did, ["outgoing NOTIFICATION 2/7", "outgoing close", "failed: no address family in common"]);
  });

  test("2-octet AS numbers where the peer knows no others", () => {
    const { agreement } = agree({}, { capabilities: { ...peerCapabilities, asn: null } });
    assert.equal(agreement?.fourOctetAs, false);
  });

  test("the peer must be of the AS that is expected", () => {
    const refused = ["outgoing NOTIFICATION 2/2", "outgoing close", "failed: the peer's AS is 65000"];
    assert.deepEqual(agree({ peerAsn: 65_009 }, {}).did, refused);
    assert.deepEqual(agree({ peerAsn: "internal" }, {}).did, refused);
    assert.deepEqual(agree({ peerAsn: "external", localAsn: 65_000 }, {}).did, refused);
    assert.equal(agree({ peerAsn: "external" }, {}).agreement?.internal, false);
    assert.equal(agree({ peerAsn: "internal", localAsn: 65_000 }, {}).agreement?.internal, true);
    const large = { asn: 4_200_000_000, capabilities: { ...peerCapabilities, asn: 4_200_000_000 } };
    assert.equal(agree({ peerAsn: 4_200_000_000 }, large).agreement?.peerAsn, 4_200_000_000);
  });

  test("a peer of our AS must not have our identifier; one of another may", () => {
    const same = { routerId: 0x0a000001 };
    assert.deepEqual(agree({ localAsn: 65_000 }, same).did, [
      "outgoing NOTIFICATION 2/3",
      "outgoing close",
      "failed: the peer has our BGP identifier",
    ]);
    assert.equal(agree({}, same).agreement?.peerRouterId, 0x0a000001);
  });
});

suite("messages that must not come", () => {
  const at = {
    OpenSent: (it: ScriptedSession) => {
      it.start();
      it.connected("outgoing");
    },
    OpenConfirm: (it: ScriptedSession) => {
      it.start();
      it.connected("outgoing");
      it.receive("outgoing", peerOpen());
    },
    Established: (it: ScriptedSession) => it.establish(),
  };
  const cases: readonly [keyof typeof at, string, Buffer, string][] = [
    ["OpenSent", "KEEPALIVE", keepalive, "5/1"],
    ["OpenSent", "UPDATE", update, "5/1"],
    ["OpenSent", "ROUTE-REFRESH", encodeRouteRefresh(4), "5/1"],
    ["OpenConfirm", "OPEN", peerOpen(), "5/2"],
    ["OpenConfirm", "UPDATE", update, "5/2"],
    ["OpenConfirm", "ROUTE-REFRESH", encodeRouteRefresh(4), "5/2"],
    ["Established", "OPEN", peerOpen(), "5/3"],
    ["Established", "a malformed UPDATE", frame(2, [Buffer.from("00090000", "hex")]), "3/1"],
    ["Established", "a ROUTE-REFRESH of a wrong length", frame(5, [Buffer.alloc(3)]), "7/1"],
  ];
  for (const [state, name, message, verdict] of cases) {
    test(`${name} in ${state}`, () => {
      const it = new ScriptedSession();
      at[state](it);
      assert.equal(it.session.state, state);
      const did = it.receive("outgoing", message);
      assert.deepEqual(did.slice(0, 2), [`outgoing NOTIFICATION ${verdict}`, "outgoing close"]);
      assert.match(did[2]!, state === "Established" ? /^down: / : /^failed: /);
      assert.equal(it.session.state, "Idle");
      assert.deepEqual([...it.timers.keys()], ["idle-hold"]);
    });
  }

  test("what is no BGP at all", () => {
    const it = new ScriptedSession();
    it.establish();
    const error = new BgpError("the marker is not all ones", 1, 1);
    assert.deepEqual(it.tell({ kind: "broken", side: "outgoing", error }), [
      "outgoing NOTIFICATION 1/1",
      "outgoing close",
      "down: the marker is not all ones",
    ]);
    assert.deepEqual(it.receive("outgoing", keepalive), [], "what follows on that connection is not heard");
  });
});

suite("timers", () => {
  test("silence of the hold time ends the session", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.timer("hold:outgoing"), [
      "outgoing NOTIFICATION 4/0",
      "outgoing close",
      "down: hold timer expired",
    ]);
  });

  test("no OPEN within 4 minutes", () => {
    const it = new ScriptedSession();
    it.start();
    it.connected("outgoing");
    assert.deepEqual(it.timer("hold:outgoing"), [
      "outgoing NOTIFICATION 4/0",
      "outgoing close",
      "failed: hold timer expired",
    ]);
  });

  test("KEEPALIVE and UPDATE are signs of life, ROUTE-REFRESH is not", () => {
    const it = new ScriptedSession();
    it.establish();
    const isSign = (message: Buffer): boolean => {
      it.timers.delete("hold:outgoing");
      it.receive("outgoing", message);
      return it.timers.get("hold:outgoing") === 90_000;
    };
    assert.equal(isSign(keepalive), true);
    assert.equal(isSign(update), true);
    assert.equal(isSign(encodeRouteRefresh(4)), false);
  });

  test("an UPDATE of ours stands for a KEEPALIVE", () => {
    const it = new ScriptedSession();
    it.establish();
    it.timers.delete("keepalive:outgoing");
    assert.deepEqual(it.tell({ kind: "advertise", messages: [update, update] }), [
      "outgoing UPDATE",
      "outgoing UPDATE",
    ]);
    assert.equal(it.timers.get("keepalive:outgoing"), 30_000);
    assert.deepEqual(it.timer("keepalive:outgoing"), ["outgoing KEEPALIVE"]);
    assert.equal(it.timers.get("keepalive:outgoing"), 30_000);
  });

  test("jitter takes up to a quarter off keepalives and delays, nothing off the hold time", () => {
    const it = new ScriptedSession({}, () => 0);
    it.establish();
    assert.equal(it.timers.get("keepalive:outgoing"), 22_500);
    assert.equal(it.timers.get("hold:outgoing"), 90_000);
    it.timer("hold:outgoing");
    assert.equal(it.timers.get("idle-hold"), 750);
  });

  test("a peer that reads nothing is given up after 8 minutes without progress (RFC 9687)", () => {
    const it = new ScriptedSession();
    it.establish();
    it.tell({ kind: "written", side: "outgoing", all: true });
    assert.equal(it.timers.has("send-hold:outgoing"), false);
    it.tell({ kind: "advertise", messages: [update] });
    assert.equal(it.timers.get("send-hold:outgoing"), 480_000);
    it.timers.set("send-hold:outgoing", 1);
    it.tell({ kind: "advertise", messages: [update] });
    assert.equal(it.timers.get("send-hold:outgoing"), 1, "more to send is no progress");
    it.tell({ kind: "written", side: "outgoing", all: false });
    assert.equal(it.timers.get("send-hold:outgoing"), 480_000, "some of it taken is");
    assert.deepEqual(it.timer("send-hold:outgoing"), [
      "outgoing NOTIFICATION 8/0",
      "outgoing abort",
      "down: send hold timer expired",
    ]);
  });

  test("an attempt to connect has 10 s, then the next one follows, at growing distances", () => {
    const it = new ScriptedSession();
    it.start();
    assert.equal(it.timers.get("connect-retry"), 10_000);
    assert.deepEqual(it.timer("connect-retry"), ["outgoing abort", "failed: no answer to the attempt to connect"]);
    assert.equal(it.session.state, "Active");
    const delays: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      delays.push(it.timers.get("connect-retry"));
      assert.deepEqual(it.timer("connect-retry"), ["connect"]);
      it.tell({ kind: "closed", side: "outgoing", reason: "refused" });
    }
    assert.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
  });

  test("sessions that end soon are tried at growing distances; a stable one makes good", () => {
    const it = new ScriptedSession();
    const delays: (number | undefined)[] = [];
    for (let round = 0; round < 9; round++) {
      it.establish();
      it.clock.advance(59_000);
      it.receive("outgoing", encodeNotification(ceaseWith(cease.rejected)));
      delays.push(it.timers.get("idle-hold"));
      it.timer("idle-hold");
    }
    assert.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
    it.establish();
    it.clock.advance(60_000);
    it.receive("outgoing", encodeNotification(ceaseWith(cease.rejected)));
    assert.equal(it.timers.get("idle-hold"), 1_000);
  });
});

suite("lost connections", () => {
  test("before the peer's OPEN: the next attempt, without damping", () => {
    const it = new ScriptedSession();
    it.start();
    it.connected("outgoing");
    assert.deepEqual(it.tell({ kind: "closed", side: "outgoing", reason: "reset" }), ["failed: reset"]);
    assert.equal(it.session.state, "Active");
    assert.deepEqual([...it.timers], [["connect-retry", 1_000]]);
  });

  test("after it: Idle, where nobody is let in", () => {
    for (const established of [false, true]) {
      const it = new ScriptedSession();
      it.start();
      it.connected("outgoing");
      it.receive("outgoing", peerOpen());
      if (established) it.receive("outgoing", keepalive);
      assert.deepEqual(it.tell({ kind: "closed", side: "outgoing", reason: "reset" }), [
        `${established ? "down" : "failed"}: reset`,
      ]);
      assert.equal(it.session.state, "Idle");
      assert.equal(it.session.canAccept, false);
      assert.deepEqual(it.timer("idle-hold"), ["connect"]);
    }
  });

  test("the peer's last words are the reason", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.receive("outgoing", encodeNotification(ceaseWithText(cease.shutdown, "upgrade"))), [
      "outgoing close",
      "down: Cease / Administrative Shutdown (6/2): upgrade",
    ]);
  });

  test("on request, with a reason for both", () => {
    const it = new ScriptedSession();
    it.establish();
    const event = { kind: "reset", notification: ceaseWith(cease.bfdDown), reason: "BFD session is down" } as const;
    assert.deepEqual(it.tell(event), ["outgoing NOTIFICATION 6/10", "outgoing close", "down: BFD session is down"]);
    assert.equal(it.session.state, "Idle");
    assert.deepEqual(it.tell(event), [], "there is no session to reset");
  });
});

suite("stopping", () => {
  test("says why, and nothing happens any more", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.tell({ kind: "stop", notification: ceaseWith(cease.deconfigured) }), [
      "outgoing NOTIFICATION 6/3",
      "outgoing close",
      "down: stopped",
    ]);
    assert.equal(it.session.state, "Idle");
    assert.equal(it.timers.size, 0);
    assert.deepEqual(it.start(), ["connect"]);
  });

  test("without a word, for a peer that keeps the routes", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.tell({ kind: "stop", notification: null }), ["outgoing abort", "down: stopped"]);
  });

  test("ends an attempt to connect, and a wait", () => {
    const it = new ScriptedSession();
    it.start();
    assert.deepEqual(it.tell({ kind: "stop", notification: ceaseWith(cease.shutdown) }), ["outgoing abort"]);
    it.start();
    it.tell({ kind: "closed", side: "outgoing", reason: "refused" });
    assert.deepEqual(it.tell({ kind: "stop", notification: ceaseWith(cease.shutdown) }), []);
    assert.equal(it.timers.size, 0);
  });
});

suite("two connections at once (RFC 4271 §6.8)", () => {
  const higher = 0x0b000001;
  const lower = 0x09000001;

  /** Both connections are open; the first one is in OpenConfirm when the second one hears the peer's OPEN. */
  function collide(first: "outgoing" | "incoming", peerRouterId: number, peerAsn = 65_000) {
    const it = new ScriptedSession({ peerAsn });
    const open = peerOpen({
      asn: peerAsn,
      routerId: peerRouterId,
      capabilities: { ...peerCapabilities, asn: peerAsn },
    });
    it.start();
    it.connected("incoming");
    it.connected("outgoing");
    it.receive(first, open);
    const did = it.receive(first === "outgoing" ? "incoming" : "outgoing", open);
    return { it, did };
  }

  const cases: readonly ["outgoing" | "incoming", number, string[]][] = [
    ["outgoing", higher, ["outgoing NOTIFICATION 6/7", "outgoing close", "incoming KEEPALIVE"]],
    ["outgoing", lower, ["incoming NOTIFICATION 6/7", "incoming close"]],
    ["incoming", higher, ["outgoing NOTIFICATION 6/7", "outgoing close"]],
    ["incoming", lower, ["incoming NOTIFICATION 6/7", "incoming close", "outgoing KEEPALIVE"]],
  ];
  for (const [first, peerRouterId, expected] of cases) {
    const whose =
      peerRouterId === higher ? "the peer's, whose identifier is higher" : "ours, whose identifier is higher";
    test(`the one that survives is ${whose}; ${first} was first`, () => {
      const { it, did } = collide(first, peerRouterId);
      assert.deepEqual(did, expected);
      const side = peerRouterId === higher ? "incoming" : "outgoing";
      assert.deepEqual(it.receive(side, keepalive), ["established"]);
      assert.equal(it.session.agreement?.side, side);
    });
  }

  test("with equal identifiers the higher AS number decides (RFC 6286)", () => {
    assert.deepEqual(collide("outgoing", 0x0a000001, 65_002).did.at(-1), "incoming KEEPALIVE");
    assert.deepEqual(collide("outgoing", 0x0a000001, 65_000).did.at(-1), "incoming close");
  });

  test("the loser's end is no failure of the session", () => {
    const { it } = collide("outgoing", lower);
    assert.deepEqual(it.tell({ kind: "closed", side: "incoming", reason: "reset" }), []);
    assert.equal(it.session.state, "OpenConfirm");
  });

  test("what is Established stays, and is asked whether it still lives", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.tell({ kind: "knocked" }), ["outgoing KEEPALIVE"]);
    assert.equal(it.session.canAccept, false);
    assert.equal(it.session.state, "Established");
  });

  test("a peer with graceful restart that comes again has restarted (RFC 4724)", () => {
    const it = new ScriptedSession({ gracefulRestart: { timeSeconds: 120 } });
    const gracefulRestart = { restarting: false, notification: false, timeSeconds: 90, families: [] };
    it.establish("outgoing", { capabilities: { ...peerCapabilities, gracefulRestart } });
    assert.deepEqual(it.tell({ kind: "knocked" }), ["outgoing abort", "down: the peer opened a new connection"]);
    assert.equal(it.session.canAccept, true);
    it.establish("incoming");
    assert.equal(it.session.state, "Established");
  });

  test("a second connection of the peer takes the place of its first", () => {
    const it = new ScriptedSession({ passive: true });
    it.start();
    it.connected("incoming");
    assert.deepEqual(it.tell({ kind: "knocked" }), ["incoming abort"]);
    assert.ok(it.session.canAccept);
    it.establish("incoming");
  });
});

suite("while Established", () => {
  test("routes of the peer are handed on, requests for ours too", () => {
    const it = new ScriptedSession();
    it.establish();
    assert.deepEqual(it.receive("outgoing", update), ["update"]);
    assert.deepEqual(it.receive("outgoing", encodeRouteRefresh(4)), ["refresh"]);
    assert.deepEqual(it.receive("outgoing", encodeRouteRefresh(6)), [], "not a family of this session");
  });

  test("nothing is advertised before", () => {
    const it = new ScriptedSession();
    it.start();
    it.connected("outgoing");
    assert.deepEqual(it.tell({ kind: "advertise", messages: [update] }), []);
  });
});
