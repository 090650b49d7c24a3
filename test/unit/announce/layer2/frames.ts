// SPDX-License-Identifier: Apache-2.0
// Frames as Linux 6.18 sent them for an address of its own, captured by tcpdump; and what ours are made of in tests.
//
// The node is 02:00:00:00:00:01 with 10.9.0.200 and fd00:9::200; the client is 02:00:00:00:00:99 with 10.9.0.99 and fd00:9::99.

export const nodeMac = bytes("020000000001");
export const clientMac = bytes("020000000099");
export const vip4 = 0x0a09_00c8;
export const vip6 = bytes("fd000009000000000000000000000200");
export const client4 = 0x0a09_0063;
export const client6 = bytes("fd000009000000000000000000000099");

export const golden = {
  arpRequest: "ffffffffffff 020000000099 0806 0001 0800 06 04 0001 020000000099 0a090063 000000000000 0a0900c8",
  arpReply: "020000000099 020000000001 0806 0001 0800 06 04 0002 020000000001 0a0900c8 020000000099 0a090063",
  /** `arping -U` of iputils. */
  gratuitousRequest: "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a0900c8 ffffffffffff 0a0900c8",
  gratuitousReply: "ffffffffffff 020000000001 0806 0001 0800 06 04 0002 020000000001 0a0900c8 ffffffffffff 0a0900c8",
  /** RFC 5227 §2.1.1: all zeros for the target's hardware address. */
  arpProbe: "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 00000000 000000000000 0a0900c8",
  solicitation:
    "3333ff000200 020000000099 86dd 60000000 0020 3a ff fd000009000000000000000000000099 ff0200000000000000000001ff000200" +
    "8700 7859 00000000 fd000009000000000000000000000200 0101 020000000099",
  solicitedAdvertisement:
    "020000000099 020000000001 86dd 60000000 0020 3a ff fd000009000000000000000000000200 fd000009000000000000000000000099" +
    "8800 17ec 60000000 fd000009000000000000000000000200 0201 020000000001",
  /** Of a host that checks whether the address is free, with the nonce of RFC 7527. */
  checkingSolicitation:
    "3333ff000200 020000000099 86dd 60000000 0020 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000200" +
    "8700 9b70 00000000 fd000009000000000000000000000200 0e01 5ae80b066a36",
  unsolicitedAdvertisement:
    "333300000001 020000000001 86dd 60000000 0020 3a ff fd000009000000000000000000000200 ff020000000000000000000000000001" +
    "8800 568b 20000000 fd000009000000000000000000000200 0201 020000000001",
} as const;

/** Hexadecimal digits, with spaces anywhere. */
export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

export function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString("hex");
}

/** The same frame with other bytes from `at` on. */
export function changed(frame: string, at: number, digits: string): Uint8Array {
  const copy = bytes(frame);
  copy.set(bytes(digits), at);
  return copy;
}

/** The same neighbor discovery frame with other bytes from `at` on, more at its end, and a checksum that is right again. */
export function resealed(frame: string, at: number, digits: string, more = ""): Uint8Array {
  const copy = Uint8Array.from([...changed(frame, at, digits), ...bytes(more)]);
  const payloadBytes = copy.length - 54;
  copy.set([payloadBytes >> 8, payloadBytes & 0xff, copy[20]!, copy[21]!], 18);
  copy.set([0, 0], 56);
  // RFC 1071 §4.1, over the pseudo-header of RFC 8200 §8.1.
  const summed = [
    ...copy.subarray(22),
    ...(payloadBytes % 2 === 1 ? [0] : []),
    0,
    0,
    payloadBytes >> 8,
    payloadBytes & 0xff,
    0,
    0,
    0,
    58,
  ];
  let sum = 0;
  for (let index = 0; index < summed.length; index += 2) sum += summed[index]! * 256 + summed[index + 1]!;
  while (sum >= 65_536) sum = (sum % 65_536) + Math.floor(sum / 65_536);
  copy.set([(65_535 - sum) >> 8, (65_535 - sum) & 0xff], 56);
  return copy;
}
