// SPDX-License-Identifier: Apache-2.0
// Hardware addresses of Ethernet as text and as bytes in a frame. Pure.

export const macBytes = 6;
export const broadcastMac = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);

/** `02:00:00:00:00:01` as bytes; null when the text is none. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(text)) return null;
  return new Uint8Array(text.split(":").map((part) => Number.parseInt(part, 16)));
}

export function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + macBytes), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export function sameMac(bytes: Uint8Array, at: number, mac: Uint8Array): boolean {
  for (let index = 0; index < macBytes; index++) if (bytes[at + index] !== mac[index]) return false;
  return true;
}

/** Of one interface: neither of a group nor all zeros. */
export function isUnicastMac(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at]! & 1) !== 0) return false;
  for (let index = 0; index < macBytes; index++) if (bytes[at + index] !== 0) return true;
  return false;
}
