// SPDX-License-Identifier: Apache-2.0
// Gives a socket a classic BPF program, which decides in the kernel what is received.

import type { Libc } from "./libc.ts";
import type { FilterInstruction } from "./packet-filter.ts";
import { systemError } from "./system-error.ts";

const socketLevel = 1;
const attachOption = 26;

/** Only what the program takes is received from now on. Throws the system's error. */
export function attachFilter(libc: Libc, fd: number, program: readonly FilterInstruction[]): void {
  const bytes = new ArrayBuffer(program.length * 8);
  const view = new DataView(bytes);
  for (const [index, [code, whenTrue, whenFalse, operand]] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, whenTrue);
    view.setUint8(index * 8 + 3, whenFalse);
    view.setUint32(index * 8 + 4, operand, true);
  }
  const head = new Uint8Array(16);
  const headView = new DataView(head.buffer);
  headView.setUint16(0, program.length, true);
  headView.setBigUint64(8, libc.ffi.getRawPointer(bytes), true);
  const result = libc.resultOf(libc.setsockopt(fd, socketLevel, attachOption, head, head.length));
  if (result < 0) throw systemError("setsockopt", result);
}
