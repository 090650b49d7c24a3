// SPDX-License-Identifier: Apache-2.0
// Errors of the system, worded and equipped as Node's own.

import { getSystemErrorMap } from "node:util";

/** `code`, `errno`, `syscall` and, where there is one, `address` and `port`, as on Node's errors. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;
}

const none = { address: "", port: 0 };

/** `errno` is negative, as the kernel returns it. `at` is the other side, when there is one yet. */
export function systemError(
  syscall: string,
  errno: number,
  at: { readonly address: string; readonly port: number } = none,
): SystemError {
  const [code, text] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, "unknown error"];
  const where = at.address === "" ? "" : ` ${at.address}${at.port === 0 ? "" : `:${at.port}`}`;
  const message = syscall === "listen" ? `${syscall} ${code}: ${text}${where}` : `${syscall} ${code}${where}`;
  const place = at.address === "" ? {} : { address: at.address, port: at.port };
  return Object.assign(new Error(message), { code, errno, syscall, ...place });
}
