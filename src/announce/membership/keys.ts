// SPDX-License-Identifier: Apache-2.0
// The keys that heartbeats are signed with, as a file holds them.

import { createSecretKey, type KeyObject } from "node:crypto";

/** First the one to sign with; what any of them signed is believed, so that keys can be replaced node by node. */
export type HeartbeatKeys = readonly [KeyObject, ...KeyObject[]];

/** As many as a rotation needs, and each costs a signature for every packet that is none of ours. */
const maxKeys = 4;
/** `openssl rand -hex 16` gives as many: 128 bits. */
const minKeyBytes = 32;

/**
 * One key a line, taken as text; empty lines and lines that begin with `#` are skipped. Otherwise the result is why not,
 * without a word of the key.
 */
export function parseKeys(text: string): HeartbeatKeys | string {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [first, ...rest] = lines.map((line) => Buffer.from(line));
  if (first === undefined) return "there is no key";
  if (lines.length > maxKeys) return `there are ${lines.length} keys, at most ${maxKeys} are used`;
  const short = [first, ...rest].findIndex(({ length }) => length < minKeyBytes);
  if (short >= 0) return `key ${short + 1} is shorter than ${minKeyBytes} characters (openssl rand -hex 32)`;
  return [createSecretKey(first), ...rest.map((key) => createSecretKey(key))];
}
