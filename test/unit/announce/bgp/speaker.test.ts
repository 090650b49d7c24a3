// SPDX-License-Identifier: Apache-2.0
// The speaker on real sockets against a router of raw bytes.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { suite, test, type TestContext } from "node:test";

import {
  createBgpSpeaker,
  createBgpTransport,
  defaultBgpOptions,
  type BgpPeerConfig,
  type BgpSpeaker,
  type BgpSpeakerOptions,
  type BgpTransport,
} from "../../../../src/announce/bgp/index.ts";
import { encodeKeepalive, frame } from "../../../../src/announce/bgp/messages/framing.ts";
import { prefixText } from "../../../../src/announce/bgp/messages/prefixes.ts";
import { encodeRouteRefresh } from "../../../../src/announce/bgp/messages/route-refresh.ts";
import { encodeEndOfRib, parseUpdate, type UpdateMessage } from "../../../../src/announce/bgp/messages/update.ts";
import type { LogFields, Logger } from "../../../../src/telemetry/port.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { RawRouter, RawSession } from "./raw-router.ts";
import { peerCapabilities } from "./scripted-session.ts";

interface Running {
  readonly clock: FakeClock;
  readonly speaker: BgpSpeaker;
  readonly log: string[];
}

function speak(t: TestContext, options: Partial<BgpSpeakerOptions> = {}, transport = createBgpTransport()): Running {
  const clock = new FakeClock();
  const log: string[] = [];
  const line = (message: string, fields: LogFields = {}): void => {
    log.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { ...silentLogger, info: line, warning: line, error: line };
  const addresses = (): ReadonlyMap<string, readonly string[]> => new Map([["lo", ["127.0.0.1", "::1"]]]);
  const speaker = createBgpSpeaker(
    { clock, random: () => 0.5, logger, transport, addresses },
    { ...defaultBgpOptions, node: "node", ...options },
  );
  t.after(() => speaker.stop(true));
  return { clock, speaker, log };
}

function config(port: number, values: Partial<BgpPeerConfig> = {}): BgpPeerConfig {
  return {
    name: "router",
    localAsn: 65_001,
    peerAsn: 65_000,
    address: "127.0.0.1",
    port,
    sourceAddress: "",
    routerId: "",
    holdTimeMs: 90_000,
    keepaliveTimeMs: 30_000,
    connectTimeMs: 120_000,
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

const route = { localPref: null, communities: [], largeCommunities: [] };
const one = [{ ...route, prefix: "198.51.100.1/32" }];
const two = [...one, { ...route, prefix: "198.51.100.2/32" }];
const restarts = { families: [], restarting: false, notification: false, timeSeconds: 60 };

async function update(session: RawSession): Promise<UpdateMessage> {
  return parseUpdate(await session.next(2), { fourOctetAs: true, internal: false });
}

function texts({ announced, withdrawn }: UpdateMessage): string {
  const of = (prefixes: readonly Buffer[]): string => prefixes.map((each) => prefixText(each, 4)).join(" ");
  return `+${of(announced[4])} -${of(withdrawn[4])}`;
}

suite("the speaker", () => {
  test("announces, changes and withdraws as little as it takes, and ends with its reason", async (t) => {
    const { speaker } = speak(t);
    const router = await RawRouter.listen(t);
    speaker.setPeers([config(router.port)]);
    speaker.setRoutes(new Map([["router", two]]));
    const session = await router.accept(t);
    await session.establish();
    assert.equal(texts(await update(session)), "+198.51.100.1/32 198.51.100.2/32 -");
    assert.equal((await update(session)).endOfRib, 4);
    speaker.setRoutes(new Map([["router", two]]));
    speaker.setRoutes(new Map([["router", [{ ...one[0]!, communities: [7] }]]]));
    assert.equal(texts(await update(session)), "+ -198.51.100.2/32");
    const changed = await update(session);
    assert.equal(texts(changed), "+198.51.100.1/32 -");
    assert.deepEqual(changed.attributes?.communities, [7]);
    const stopped = speaker.stop(false);
    assert.equal(texts(await update(session)), "+ -198.51.100.1/32");
    assert.equal(await session.notification(), `6/2:0a${Buffer.from("naru stops").toString("hex")}`);
    await session.end();
    await stopped;
  });

  test("says nothing of routes until it knows them", async (t) => {
    const { speaker } = speak(t);
    const router = await RawRouter.listen(t);
    speaker.setPeers([config(router.port)]);
    const session = await router.accept(t);
    await session.establish();
    // What was said before it would come before this.
    session.socket.write(encodeRouteRefresh(4));
    speaker.setRoutes(new Map());
    assert.equal((await update(session)).endOfRib, 4);
  });

  test("says all again when asked", async (t) => {
    const { speaker } = speak(t);
    const router = await RawRouter.listen(t);
    speaker.setPeers([config(router.port)]);
    speaker.setRoutes(new Map([["router", one]]));
    const session = await router.accept(t);
    await session.establish();
    await update(session);
    await update(session);
    session.socket.write(encodeRouteRefresh(4));
    assert.equal(texts(await update(session)), "+198.51.100.1/32 -");
  });

  test("resets only the session whose peer was changed", async (t) => {
    const { speaker } = speak(t);
    const [first, second] = [await RawRouter.listen(t), await RawRouter.listen(t)];
    const stays = config(first.port, { name: "stays" });
    speaker.setPeers([stays, config(second.port, { name: "changes" })]);
    const [kept, reset] = [await first.accept(t), await second.accept(t)];
    await Promise.all([kept.establish(), reset.establish()]);
    speaker.setPeers([{ ...stays }, config(second.port, { name: "changes", holdTimeMs: 30_000 })]);
    assert.equal(await reset.notification(), "6/6:");
    const again = await second.accept(t);
    const open = await again.establish();
    assert.equal(open.readUInt16BE(3), 30);
    speaker.setPeers([stays]);
    assert.equal(await again.notification(), "6/3:");
    assert.deepEqual(
      speaker.status().map(({ name, state }) => [name, state]),
      [["stays", "Established"]],
    );
    speaker.setPeers([]);
    assert.equal(await kept.notification(), "6/3:");
  });

  test("leaves a peer that keeps the routes without a word, and only that", async (t) => {
    const { speaker } = speak(t);
    const [keeps, drops] = [await RawRouter.listen(t), await RawRouter.listen(t)];
    const values = { gracefulRestart: true };
    speaker.setPeers([config(keeps.port, { ...values, name: "a" }), config(drops.port, { ...values, name: "b" })]);
    const [kept, dropped] = [await keeps.accept(t), await drops.accept(t)];
    await kept.establish({ capabilities: { ...peerCapabilities, gracefulRestart: restarts } });
    await dropped.establish();
    const stopped = speaker.stop(true);
    await kept.end();
    assert.match(await dropped.notification(), /^6\/2:/);
    await stopped;
  });

  test("counts and shows", async (t) => {
    const { speaker, log } = speak(t);
    const router = await RawRouter.listen(t);
    const ipv6 = { ...route, prefix: "2001:db8::1/128" };
    speaker.setPeers([config(router.port)]);
    speaker.setRoutes(new Map([["router", [...two, ipv6]]]));
    assert.equal(speaker.status()[0]!.pendingPrefixes, 3);
    const session = await router.accept(t);
    await session.establish({ holdTimeSeconds: 9 });
    await update(session);
    await update(session);
    // Two prefixes, then one that counts as withdrawn.
    const path = "40010100 40020602010000fde8 4003040a000001".replaceAll(" ", "");
    session.socket.write(frame(2, [Buffer.from(`00000014${path}080a080b`, "hex")]));
    session.socket.write(frame(2, [Buffer.from("000000044001010008c0", "hex")]));
    session.socket.write(encodeRouteRefresh(4));
    await update(session);
    const [status] = speaker.status();
    assert.deepEqual(status, {
      name: "router",
      address: "127.0.0.1",
      port: router.port,
      state: "Established",
      sinceWallMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      lastError: null,
      announcedPrefixes: 2,
      pendingPrefixes: 1,
      receivedPrefixes: 2,
      agreed: {
        peerAsn: 65_000,
        peerRouterId: "10.0.0.254",
        families: [4],
        holdTimeMs: 9_000,
        keepaliveTimeMs: 3_000,
        gracefulRestart: false,
      },
      bfd: null,
    });
    const samples = new Map(speaker.samples().map(({ name, value }) => [name, value]));
    assert.deepEqual(Object.fromEntries(samples), {
      metallb_bgp_session_up: 1,
      metallb_bgp_announced_prefixes_total: 2,
      metallb_bgp_pending_prefixes_total: 1,
      metallb_bgp_updates_total: 3,
      metallb_bgp_updates_total_received: 2,
      metallb_bgp_opens_sent: 1,
      metallb_bgp_opens_received: 1,
      metallb_bgp_notifications_sent: 0,
      naru_bgp_notifications_received_total: 0,
      metallb_bgp_keepalives_sent: 1,
      metallb_bgp_keepalives_received: 1,
      metallb_bgp_route_refresh_sent: 0,
      metallb_bgp_total_sent: 5,
      metallb_bgp_total_received: 5,
      naru_bgp_received_prefixes_total: 2,
      naru_bgp_malformed_updates_total: 1,
    });
    assert.deepEqual(speaker.samples()[0]!.labels, { peer: `127.0.0.1:${router.port}` });
    assert.match(log.join("\n"), /a malformed UPDATE of a BGP peer counts as a withdrawal .*is missing/);
  });

  test("keeps sessions alive and ends silent ones", async (t) => {
    const { speaker, clock } = speak(t);
    const router = await RawRouter.listen(t);
    speaker.setPeers([config(router.port, { holdTimeMs: 9_000 })]);
    speaker.setRoutes(new Map());
    const session = await router.accept(t);
    await session.establish();
    await update(session);
    clock.advance(3_000);
    await session.next(4);
    clock.advance(3_000);
    await session.next(4);
    clock.advance(3_000);
    await session.next(4);
    assert.equal(await session.notification(), "4/0:");
    await session.end();
    assert.equal(speaker.status()[0]!.lastError, "hold timer expired");
    clock.advance(1_000);
    await (await router.accept(t)).establish();
  });

  test("answers every kind of nonsense with its NOTIFICATION", async (t) => {
    const { speaker, clock } = speak(t);
    const router = await RawRouter.listen(t);
    speaker.setPeers([config(router.port)]);
    const cases: readonly [string, Buffer, string][] = [
      ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), "1/1:"],
      ["a message too long", Buffer.from(`${"ff".repeat(16)}ffff02`, "hex"), "1/2:ffff"],
      ["a message of no type", Buffer.from(`${"ff".repeat(16)}001309`, "hex"), "1/3:09"],
      ["an OPEN of version 3", frame(1, [Buffer.from("03fde8005a0102030400", "hex")]), "2/1:0004"],
      ["an OPEN of a foreign AS", frame(1, [Buffer.from("04fdff005a0102030400", "hex")]), "2/2:"],
      ["a KEEPALIVE first", encodeKeepalive(), "5/1:04"],
    ];
    for (const [index, [name, bytes, verdict]] of cases.entries()) {
      const session = await router.accept(t);
      await session.next(1);
      session.socket.write(bytes);
      assert.equal(await session.notification(), verdict, name);
      await session.end();
      // Not longer: the next attempt begins then, and has only 10 s.
      clock.advance(1_000 * 2 ** index);
    }
    const session = await router.accept(t);
    await session.establish();
    session.socket.write(frame(2, [Buffer.from("00090000", "hex")]));
    assert.equal(await session.notification(), "3/1:");
  });
});

suite("connections of peers", () => {
  const listen = { addresses: ["127.0.0.1"], port: 0 };

  test("are taken from configured addresses, and no others", async (t) => {
    const { speaker } = speak(t, { listen });
    speaker.setPeers([config(179, { passive: true })]);
    speaker.setRoutes(new Map([["router", one]]));
    const stranger = await RawSession.connect(t, speaker.ports[0]!, "127.0.0.9");
    await stranger.end();
    const session = await RawSession.connect(t, speaker.ports[0]!);
    await session.establish();
    assert.equal(texts(await update(session)), "+198.51.100.1/32 -");
    // A second one changes nothing for the first.
    await (await RawSession.connect(t, speaker.ports[0]!)).end();
    assert.equal((await update(session)).endOfRib, 4);
    await session.next(4);
    assert.equal(speaker.status()[0]!.state, "Established");
  });

  test("of a peer that has restarted take the place of its session", async (t) => {
    const { speaker } = speak(t, { listen });
    speaker.setPeers([config(179, { passive: true, gracefulRestart: true })]);
    speaker.setRoutes(new Map([["router", one]]));
    const capabilities = { ...peerCapabilities, gracefulRestart: restarts };
    const first = await RawSession.connect(t, speaker.ports[0]!);
    await first.establish({ capabilities });
    assert.equal(texts(await update(first)), "+198.51.100.1/32 -");
    const second = await RawSession.connect(t, speaker.ports[0]!);
    await second.establish({ capabilities });
    assert.equal(texts(await update(second)), "+198.51.100.1/32 -");
  });
});

suite("where node:ffi is missing", () => {
  test("a password is an error of its peer alone", async (t) => {
    const real = createBgpTransport();
    const without: BgpTransport = {
      ...real,
      unguarded: "this Node has no node:ffi",
      connect: (to) => {
        if (to.guards.password !== null) throw new Error("a password is set, and this Node has no node:ffi");
        return real.connect(to);
      },
    };
    const { speaker, log } = speak(t, {}, without);
    const router = await RawRouter.listen(t);
    speaker.setPeers([
      config(router.port, { name: "guarded", password: "s3cret" }),
      config(router.port, { name: "plain" }),
    ]);
    await (await router.accept(t)).establish();
    const [guarded] = speaker.status();
    assert.equal(guarded!.lastError, "a password is set, and this Node has no node:ffi");
    assert.equal(guarded!.state, "Active");
    assert.doesNotMatch(log.join("\n"), /s3cret/);
  });
});

test("an End-of-RIB of the peer is no route", async (t) => {
  const { speaker } = speak(t);
  const router = await RawRouter.listen(t);
  speaker.setPeers([config(router.port)]);
  speaker.setRoutes(new Map());
  const session = await router.accept(t);
  await session.establish();
  await update(session);
  session.socket.write(Buffer.concat([encodeEndOfRib(4), encodeRouteRefresh(4), encodeKeepalive()]));
  // Nothing is announced, so a refresh brings nothing; the session stays.
  speaker.setRoutes(new Map([["router", one]]));
  assert.equal(texts(await update(session)), "+198.51.100.1/32 -");
  assert.equal(speaker.status()[0]!.receivedPrefixes, 0);
});
