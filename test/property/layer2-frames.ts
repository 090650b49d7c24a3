// SPDX-License-Identifier: Apache-2.0
// Frames of ARP and neighbor discovery: well-formed more often than not, else wrong in one or two places, or just bytes; and
// which of them must be answered, read from the RFCs once more and naively.

import * as fc from "fast-check";

import { bytes, golden } from "../unit/announce/layer2/frames.ts";

/** What is announced in these tests. */
export const announced = { ipv4: ["0a0900c8", "0a0900c9"], ipv6: ["fd000009000000000000000000000200"] } as const;
export const nodeMac = "020000000001";

const wellFormed = fc.constantFrom(...Object.values(golden).map((frame) => frame.replaceAll(" ", "")));
const interesting = fc.oneof(
  fc.constantFrom("00", "01", "02", "04", "06", "08", "3a", "60", "86dd", "87", "88", "ff", "0800", "0806"),
  fc.constantFrom(
    ...announced.ipv4,
    ...announced.ipv6,
    "00000000",
    nodeMac,
    "ffffffffffff",
    "3333ff000200",
    "020000000099",
  ),
  fc.uint8Array({ minLength: 1, maxLength: 6 }).map((each) => Buffer.from(each).toString("hex")),
);

/** Some bytes replaced, then cut or longer; sealed = an IPv6 payload gets a length and a checksum that are right again. */
export const frames: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 256 }) },
  {
    weight: 9,
    arbitrary: fc
      .record({
        frame: wellFormed,
        edits: fc.array(fc.record({ at: fc.nat(90), digits: interesting }), { maxLength: 3 }),
        length: fc.option(fc.nat(120), { nil: null, freq: 5 }),
        more: fc.option(fc.uint8Array({ maxLength: 24 }), { nil: new Uint8Array(), freq: 5 }),
        sealed: fc.boolean(),
      })
      .map(({ frame, edits, length, more, sealed }) => {
        const copy = [...bytes(frame), ...more];
        for (const { at, digits } of edits) {
          for (const [offset, byte] of bytes(digits).entries()) if (at + offset < copy.length) copy[at + offset] = byte;
        }
        const cut = copy.slice(0, length ?? copy.length);
        return Uint8Array.from(sealed && cut.length >= 58 && cut[12] === 0x86 ? seal(cut) : cut);
      }),
  },
);

export type Expected =
  | { readonly kind: "none" }
  | { readonly kind: "answer" | "claim"; readonly address: string; readonly frame: string };

/**
 * What the announcing node 02:00:00:00:00:01 must send when it receives this: nothing, or exactly this frame. `claim` = somebody
 * else says it has the address; what is sent then is for others to say.
 */
export function expectedOf(frame: Uint8Array): Expected {
  const text = Buffer.from(frame).toString("hex");
  return text.slice(24, 28) === "0806" ? expectedOfArp(text) : expectedOfNeighbor(text);
}

const none: Expected = { kind: "none" };

function expectedOfArp(text: string): Expected {
  const parts = /^(.{12}).{12}08060001080006040{3}([12])(.{12})(.{8}).{12}(.{8})/.exec(text);
  if (parts === null) return none;
  const [, destination = "", operation, senderMac = "", senderIp = "", targetIp = ""] = parts;
  if (!isHost(senderMac) || senderMac === nodeMac) return none;
  if (isOneOf(announced.ipv4, senderIp)) return { kind: "claim", address: senderIp, frame: "" };
  if (operation !== "1" || !isOneOf(announced.ipv4, targetIp)) return none;
  if (destination !== "ffffffffffff" && destination !== nodeMac) return none;
  const answer = `${senderMac}${nodeMac}080600010800060400 02${nodeMac}${targetIp}${senderMac}${senderIp}`.replace(
    " ",
    "",
  );
  return { kind: "answer", address: targetIp, frame: answer };
}

function expectedOfNeighbor(text: string): Expected {
  const parts = /^.{12}(.{12})86dd6.{7}(.{4})3aff(.{32})(.{32})(87|88)00.{4}(.)(.).{6}(.{32})(.*)$/.exec(text);
  if (parts === null) return none;
  const [, mac = "", length = "", source = "", destination = "", type, flags = "0", , target = "", rest = ""] = parts;
  const payload = Number.parseInt(length, 16);
  const options = optionsOf(rest.slice(0, (payload - 24) * 2));
  if (payload < 24 || 108 + payload * 2 > text.length || options === null || sumOf(text, payload) !== 0xffff)
    return none;
  if (target.startsWith("ff") || source.startsWith("ff") || !isHost(mac)) return none;
  const isAdvertisement = type === "88";
  const unspecified = /^0+$/.test(source);
  const named = options.filter(([option]) => option === (isAdvertisement ? "02" : "01")).map(([, value]) => value);
  if (named.some((each) => each.length !== 12 || !isHost(each))) return none;
  if (isAdvertisement && (unspecified || (destination.startsWith("ff") && /[4567cdef]/.test(flags)))) return none;
  if (!isAdvertisement && unspecified && (named.length > 0 || !/^ff020{19}1ff/.test(destination))) return none;
  if (mac === nodeMac) return none;
  const requester = named.at(-1) ?? mac;
  const ours = isOneOf(announced.ipv6, target);
  if (isAdvertisement) return ours && requester !== nodeMac ? { kind: "claim", address: target, frame: "" } : none;
  if (isOneOf(announced.ipv6, source)) return { kind: "claim", address: source, frame: "" };
  if (!ours) return none;
  const [toMac, to, flag] = unspecified
    ? ["333300000001", "ff020000000000000000000000000001", "20"]
    : [requester, source, "60"];
  const answer = `${toMac}${nodeMac}86dd6000000000203aff${target}${to}88000000${flag}000000${target}0201${nodeMac}`;
  return { kind: "answer", address: target, frame: Buffer.from(seal([...bytes(answer)])).toString("hex") };
}

/** Type and value of each; null when one is broken. */
function optionsOf(text: string): [string, string][] | null {
  const options: [string, string][] = [];
  for (let rest = text; rest !== "";) {
    const digits = Number.parseInt(rest.slice(2, 4), 16) * 16;
    if (!(digits > 0) || digits > rest.length) return null;
    options.push([rest.slice(0, 2), rest.slice(4, digits)]);
    rest = rest.slice(digits);
  }
  return options;
}

/** One's complement sum of the pseudo-header and the payload; 0xffff when the checksum in it is right. */
function sumOf(text: string, payload: number): number {
  const summed = text.slice(44, 108 + payload * 2).padEnd(64 + Math.ceil(payload / 2) * 4, "0");
  let sum = payload + 58;
  for (let at = 0; at < summed.length; at += 4) sum += Number.parseInt(summed.slice(at, at + 4), 16);
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return sum;
}

function seal(frame: readonly number[]): number[] {
  const payload = frame.length - 54;
  const open = [...frame];
  [open[18], open[19], open[56], open[57]] = [payload >> 8, payload & 0xff, 0, 0];
  const checksum = 0xffff - sumOf(Buffer.from(open).toString("hex"), payload);
  [open[56], open[57]] = [checksum >> 8, checksum & 0xff];
  return open;
}

function isHost(mac: string): boolean {
  return Number.parseInt(mac.slice(1, 2), 16) % 2 === 0 && mac !== "000000000000";
}

function isOneOf(list: readonly string[], text: string): boolean {
  return list.includes(text);
}
