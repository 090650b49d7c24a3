// SPDX-License-Identifier: Apache-2.0
// What must hold of the BGP codec, for the tests and the fuzzer.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import * as fc from "fast-check";

import type { PathAttributes } from "../../src/announce/bgp/messages/attributes.ts";
import { BgpError } from "../../src/announce/bgp/messages/errors.ts";
import { encodeKeepalive, FrameReader } from "../../src/announce/bgp/messages/framing.ts";
import {
  describeNotification,
  encodeNotification,
  parseNotification,
} from "../../src/announce/bgp/messages/notification.ts";
import { encodeOpen, parseOpen, type OpenMessage } from "../../src/announce/bgp/messages/open.ts";
import { encodePrefix, prefixText } from "../../src/announce/bgp/messages/prefixes.ts";
import { messageType, type Family } from "../../src/announce/bgp/messages/protocol.ts";
import { encodeRouteRefresh, parseRouteRefresh } from "../../src/announce/bgp/messages/route-refresh.ts";
import {
  encodeAnnouncements,
  encodeEndOfRib,
  encodeWithdrawals,
  parseUpdate,
} from "../../src/announce/bgp/messages/update.ts";
import { ip } from "../../src/core/index.ts";

const uint16 = fc.nat({ max: 0xffff });
const uint32 = fc.nat({ max: 0xffff_ffff });
const family = fc.constantFrom<Family>(4, 6);
/** Nobody's: 0 and AS_TRANS. */
const asn = fc.integer({ min: 1, max: 0xffff_ffff }).filter((each) => each !== 23_456);
const familySet = fc.constantFrom<readonly Family[]>([4], [6], [4, 6], [6, 4]);

const open: fc.Arbitrary<OpenMessage> = fc
  .record({
    asn,
    holdTimeSeconds: uint16.filter((seconds) => seconds !== 1 && seconds !== 2),
    routerId: fc.integer({ min: 1, max: 0xffff_ffff }),
    families: familySet,
    routeRefresh: fc.boolean(),
    gracefulRestart: fc.option(
      fc
        .record({
          restarting: fc.boolean(),
          notification: fc.boolean(),
          timeSeconds: fc.nat({ max: 0xfff }),
          families: fc.array(
            fc.record({ family, forwarding: fc.boolean() }).map((each) => ({ ...each })),
            { maxLength: 2 },
          ),
        })
        .map((restart) => ({ ...restart })),
    ),
  })
  .map(({ asn: number, holdTimeSeconds, routerId, ...capabilities }) => ({
    asn: number,
    holdTimeSeconds,
    routerId,
    capabilities: { ...capabilities, asn: number },
  }));

function prefixOf(which: Family): fc.Arbitrary<string> {
  const bits = which === 4 ? 32 : 128;
  return fc
    .record({ value: fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }), length: fc.nat({ max: bits }) })
    .map(
      ({ value, length }) =>
        `${ip.format({ family: which, value: ip.prefixAround({ family: which, value }, length).first })}/${length}`,
    );
}

const attributes: fc.Arbitrary<PathAttributes> = fc.record({
  origin: fc.constantFrom("igp", "egp", "incomplete"),
  asPath: fc
    .array(
      fc.record({ kind: fc.constantFrom("set", "sequence"), asns: fc.array(uint32, { minLength: 1, maxLength: 300 }) }),
      { maxLength: 3 },
    )
    .map((path) => path.map(({ kind, asns }) => ({ kind, asns: asns.slice(0, 255) }))),
  nextHop: fc.constant("10.0.0.1"),
  med: fc.option(uint32),
  localPref: uint32,
  communities: fc.array(uint32, { maxLength: 100 }),
  largeCommunities: fc.array(fc.tuple(uint32, uint32, uint32), { maxLength: 40 }),
});

const announcement = family.chain((which) =>
  fc.record({
    family: fc.constant(which),
    prefixes: fc.array(prefixOf(which), { minLength: 1, maxLength: 1_500 }),
    attributes,
  }),
);

export function framed(bytes: Buffer): { readonly type: number; readonly body: Buffer } {
  const reader = new FrameReader();
  reader.push(bytes);
  const frame = reader.next();
  assert.ok(frame !== null && reader.next() === null);
  return frame;
}

export const opens = fc.property(open, (message) => {
  assert.deepEqual(parseOpen(framed(encodeOpen(message)).body), message);
});

export const announcements = fc.property(announcement, ({ family: which, prefixes, attributes: all }) => {
  const wires = prefixes.map((prefix) => encodePrefix(prefix)!.wire);
  const hop = which === 4 ? "10.0.0.1" : "2001:db8::1";
  const messages = encodeAnnouncements(which, wires, all, hop, true);
  if (messages === null) return;
  const read = messages.map((message) => parseUpdate(framed(message).body, { fourOctetAs: true, internal: true }));
  assert.deepEqual(
    read.flatMap(({ announced }) => announced[which].map((wire) => prefixText(wire, which))),
    prefixes,
  );
  for (const update of read) {
    assert.deepEqual(update.attributes, { ...all, nextHop: which === 4 ? hop : null });
    assert.equal(update.endOfRib, null);
  }
  const gone = encodeWithdrawals(which, wires).flatMap(
    (message) => parseUpdate(framed(message).body, { fourOctetAs: true, internal: true }).withdrawn[which],
  );
  assert.deepEqual(
    gone.map((wire) => prefixText(wire, which)),
    prefixes,
  );
});

export const anyMessage: fc.Arbitrary<Buffer> = fc.oneof(
  open.map(encodeOpen),
  announcement.map(
    ({ family: which, prefixes, attributes: all }) =>
      encodeAnnouncements(
        which,
        prefixes.slice(0, 20).map((each) => encodePrefix(each)!.wire),
        all,
        which === 4 ? "10.0.0.1" : "::1",
        true,
      )?.[0] ?? encodeKeepalive(),
  ),
  fc.array(prefixOf(4), { maxLength: 9 }).map(
    (all) =>
      encodeWithdrawals(
        4,
        all.map((each) => encodePrefix(each)!.wire),
      )[0] ?? encodeEndOfRib(4),
  ),
  family.map(encodeEndOfRib),
  family.map(encodeRouteRefresh),
  fc.constant(encodeKeepalive()),
  fc
    .record({ code: fc.nat({ max: 9 }), subcode: fc.nat({ max: 12 }), data: fc.uint8Array({ maxLength: 300 }) })
    .map(({ code, subcode, data }) => encodeNotification({ code, subcode, data: Buffer.from(data) })),
);

/** Places are fractions of the whole, so that they stay meaningful when a case is made smaller. */
const damage = fc.array(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    value: fc.nat({ max: 255 }),
    kind: fc.constantFrom("set", "insert", "remove"),
  }),
  { maxLength: 4 },
);
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

function damaged(bytes: Buffer, edits: readonly { place: number; value: number; kind: string }[]): Buffer {
  const result = [...bytes];
  for (const { place, value, kind } of edits) {
    const at = Math.floor(place * result.length);
    if (kind === "set") result[at] = value;
    else if (kind === "insert") result.splice(at, 0, value);
    else result.splice(at, 1);
  }
  return Buffer.from(result);
}

/** Everything that is read of a stream until it breaks, as text. */
function readingOf(chunks: readonly Buffer[], context: { fourOctetAs: boolean; internal: boolean }): string[] {
  const reader = new FrameReader();
  const seen: string[] = [];
  try {
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        seen.push(JSON.stringify(meaningOf(frame.type, frame.body, context)));
      }
    }
  } catch (error) {
    assert.ok(error instanceof BgpError, `not a BgpError: ${String(error)}`);
    seen.push(`${error.code}/${error.subcode}:${error.data.toString("hex")}`);
    assert.ok(encodeNotification(error).length <= 4_096);
  }
  return seen;
}

function meaningOf(type: number, body: Buffer, context: { fourOctetAs: boolean; internal: boolean }): unknown {
  if (type === messageType.open) return parseOpen(body);
  if (type === messageType.update) return parseUpdate(body, context);
  if (type === messageType.notification) return describeNotification(parseNotification(body));
  return type === messageType.routeRefresh ? parseRouteRefresh(body) : type;
}

export const damagedStreams = fc.property(
  fc.array(anyMessage, { minLength: 1, maxLength: 4 }),
  damage,
  places,
  fc.record({ fourOctetAs: fc.boolean(), internal: fc.boolean() }),
  (messages, edits, cuts, context) => {
    const bytes = damaged(Buffer.concat(messages), edits);
    const ends = [...cuts.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b), bytes.length];
    const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
    assert.deepEqual(readingOf(chunks, context), readingOf([bytes], context));
  },
);

export const noise = fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 6 }), (bytes, type) => {
  const header = Buffer.alloc(19, 0xff);
  header.writeUInt16BE(19 + bytes.length, 16);
  header[18] = type;
  readingOf([header, Buffer.from(bytes)], { fourOctetAs: true, internal: false });
});
