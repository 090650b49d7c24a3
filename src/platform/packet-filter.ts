// SPDX-License-Identifier: Apache-2.0
// Classic BPF programs that let only the frames through that are ours to see, so that the noise of a network with a
// thousand hosts costs no turn of the event loop. Pure. (Opcodes: linux/bpf_common.h.)

import type { ip } from "../core/index.ts";

/** One instruction: code, jump when true, jump when false, operand. */
export type FilterInstruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

const code = {
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  jumpEqual: 0x15,
  jumpGreater: 0x25,
  jumpNotLess: 0x35,
  give: 0x06,
} as const;
/** Where the kernel shows a program what is not in the frame (SKF_AD_OFF + SKF_AD_PKTTYPE). */
const packetTypeAt = 0xffff_f004;
const packetType = { otherHost: 3, outgoing: 4 } as const;
const arp = { operationAt: 20, senderAt: 28, targetAt: 38, request: 1, reply: 2 } as const;
const icmp6 = { nextHeaderAt: 20, typeAt: 54, targetLowAt: 74, sourceLowAt: 34, next: 58 } as const;
const neighbor = { solicitation: 135, advertisement: 136 } as const;
/** The kernel allows 4096, but counts their memory, old program and new, against a limit that may be as low as 20 KiB. */
const maxInstructions = 512;
const wholeFrame = 0x4_0000;

/**
 * ARP requests and replies that name one of the addresses, as sender or as target. With more of them than a program may be
 * long, all requests and replies.
 */
export function arpFilter(addresses: readonly ip.Ip[]): readonly FilterInstruction[] {
  const ranges = rangesOf(addresses.filter(({ family }) => family === 4).map(({ value }) => Number(value)));
  return program(
    [
      [code.loadHalf, 0, 0, arp.operationAt],
      [code.jumpEqual, 2, 0, arp.request],
      [code.jumpEqual, 1, 0, arp.reply],
      [code.give, 0, 0, 0],
    ],
    [arp.targetAt, arp.senderAt],
    ranges,
  );
}

/**
 * Neighbor solicitations and advertisements whose target or source ends in the last 32 bits of one of the addresses. With
 * more of them than a program may be long, all of both kinds.
 */
export function neighborFilter(addresses: readonly ip.Ip[]): readonly FilterInstruction[] {
  const low = addresses.filter(({ family }) => family === 6).map(({ value }) => Number(value & 0xffff_ffffn));
  return program(
    [
      [code.loadByte, 0, 0, icmp6.nextHeaderAt],
      [code.jumpEqual, 1, 0, icmp6.next],
      [code.give, 0, 0, 0],
      [code.loadByte, 0, 0, icmp6.typeAt],
      [code.jumpEqual, 2, 0, neighbor.solicitation],
      [code.jumpEqual, 1, 0, neighbor.advertisement],
      [code.give, 0, 0, 0],
    ],
    [icmp6.targetLowAt, icmp6.sourceLowAt],
    rangesOf(low),
  );
}

/** What we sent ourselves and what is for other hosts goes first; then `kind`, then one of the words in one of the ranges. */
function program(
  kind: readonly FilterInstruction[],
  wordsAt: readonly number[],
  ranges: readonly NumberRange[],
): readonly FilterInstruction[] {
  const head: readonly FilterInstruction[] = [
    [code.loadWord, 0, 0, packetTypeAt],
    [code.jumpEqual, 1, 0, packetType.outgoing],
    [code.jumpEqual, 0, 1, packetType.otherHost],
    [code.give, 0, 0, 0],
    ...kind,
  ];
  const tests = wordsAt.flatMap((at): FilterInstruction[] => [[code.loadWord, 0, 0, at], ...ranges.flatMap(rangeTest)]);
  const fits = head.length + tests.length < maxInstructions;
  return fits ? [...head, ...tests, [code.give, 0, 0, 0]] : [...head, [code.give, 0, 0, wholeFrame]];
}

function rangeTest({ first, last }: NumberRange): FilterInstruction[] {
  const take: FilterInstruction = [code.give, 0, 0, wholeFrame];
  if (first === last) return [[code.jumpEqual, 0, 1, first], take];
  return [[code.jumpGreater, 2, 0, last], [code.jumpNotLess, 0, 1, first], take];
}

interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** Addresses of a pool are neighbours more often than not. */
function rangesOf(values: readonly number[]): readonly NumberRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const value of values.toSorted((left, right) => left - right)) {
    const open = ranges.at(-1);
    if (open !== undefined && value <= open.last + 1) open.last = value;
    else ranges.push({ first: value, last: value });
  }
  return ranges;
}
