// SPDX-License-Identifier: Apache-2.0
// The same answer for people and for programs.

import type { Terminal } from "./terminal.ts";

/** Writes plain data as JSON or YAML, ended by a newline. */
export async function writeData(terminal: Terminal, format: "json" | "yaml", data: unknown): Promise<void> {
  if (format === "json") {
    terminal.out(`${JSON.stringify(data, null, 2)}\n`);
    return;
  }
  // Loaded only when asked for: version must not pay for a YAML library.
  const { stringify } = await import("yaml");
  terminal.out(stringify(data, { lineWidth: 0, aliasDuplicateObjects: false }));
}

/** `1 error`, `2 errors`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
