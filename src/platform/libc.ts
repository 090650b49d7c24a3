// SPDX-License-Identifier: Apache-2.0
// The few functions of libc and libuv that the platform needs, bound once per thread. Failures are negative error
// numbers, as in the kernel.

import { loadFfi, type Ffi } from "./ffi.ts";

const library = {
  mmap: { arguments: ["u64", "u64", "i32", "i32", "i32", "i64"], return: "u64" },
  munmap: { arguments: ["u64", "u64"], return: "i32" },
  madvise: { arguments: ["u64", "u64", "i32"], return: "i32" },
  socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
  bind: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  listen: { arguments: ["i32", "i32"], return: "i32" },
  accept4: { arguments: ["i32", "u64", "u64", "i32"], return: "i32" },
  fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" },
  setsockopt: { arguments: ["i32", "i32", "i32", "pointer", "u32"], return: "i32" },
  getsockopt: { arguments: ["i32", "i32", "i32", "pointer", "pointer"], return: "i32" },
  recv: { arguments: ["i32", "pointer", "u32", "i32"], return: "i32" },
  recvmmsg: { arguments: ["i32", "u64", "u32", "i32", "u64"], return: "i32" },
  sendto: { arguments: ["i32", "pointer", "u32", "i32", "pointer", "u32"], return: "i32" },
  getsockname: { arguments: ["i32", "pointer", "pointer"], return: "i32" },
  getpeername: { arguments: ["i32", "pointer", "pointer"], return: "i32" },
  pipe2: { arguments: ["pointer", "i32"], return: "i32" },
  // Offsets are null. In a register an i32 leaves none of its place undefined, and needs no BigInt. The seventh is for
  // nobody: node:ffi calls functions of four to six numbers in a way that takes twice as long.
  splice: { arguments: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], return: "i32" },
  shutdown: { arguments: ["i32", "i32"], return: "i32" },
  close: { arguments: ["i32"], return: "i32" },
  uv_backend_fd: { arguments: ["u64"], return: "i32" },
  uv_backend_timeout: { arguments: ["u64"], return: "i32" },
  uv_update_time: { arguments: ["u64"], return: "void" },
  uv_handle_size: { arguments: ["i32"], return: "u64" },
  uv_poll_init: { arguments: ["u64", "pointer", "i32"], return: "i32" },
  uv_poll_start: { arguments: ["pointer", "i32", "u64"], return: "i32" },
  uv_poll_stop: { arguments: ["pointer"], return: "i32" },
  uv_close: { arguments: ["pointer", "u64"], return: "void" },
  __errno_location: { arguments: [], return: "u64" },
} as const;

/** `syscall` with small numbers only: no BigInt on the way. */
const shortSyscall = {
  syscall: { arguments: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], return: "i32" },
} as const;

/** `syscall` whose second or fifth argument is an address. */
const addressSyscalls = [
  { syscall: { arguments: ["i32", "u32", "pointer"], return: "i32" } },
  { syscall: { arguments: ["i32", "i32", "u32", "pointer", "u32"], return: "i32" } },
  // The seventh goes over the stack, where an i32 leaves half of its place undefined.
  { syscall: { arguments: ["i32", "i32", "i32", "i32", "i32", "u64", "u64"], return: "i32" } },
] as const;

/** With memory known by its address: several times cheaper than finding out that of a Buffer. */
const addressCalls = {
  read: { arguments: ["i32", "u64", "u32"], return: "i32" },
  sendmsg: { arguments: ["i32", "u64", "i32"], return: "i32" },
} as const;

/** Everything bound, of one thread. Throws when a symbol is missing or node:ffi is forbidden. */
export function bindLibc(ffi: Ffi) {
  const { lib, functions } = ffi.dlopen(null, library);
  const { __errno_location: errnoLocation } = functions;
  // One library hands out a symbol with one signature only.
  const enter = ffi.dlopen(null, shortSyscall).functions.syscall;
  const setup = ffi.dlopen(null, addressSyscalls[0]).functions.syscall;
  const register = ffi.dlopen(null, addressSyscalls[1]).functions.syscall;
  const enterTimed = ffi.dlopen(null, addressSyscalls[2]).functions.syscall;
  const { read: readAt, sendmsg: sendMessage } = ffi.dlopen(null, addressCalls).functions;
  const errno = new Int32Array(ffi.toArrayBuffer(errnoLocation(), 4, false));
  return {
    ...functions,
    ffi,
    /** Makes and ends callbacks for native code. */
    lib,
    eventLoop: ffi.getCurrentEventLoop(),
    /** What was mapped through this binding. */
    mapped: [] as { readonly address: bigint; readonly bytes: number }[],
    readAt,
    sendMessage,
    syscallShort: enter,
    syscallSetup: setup,
    syscallRegister: register,
    syscallTimed: enterTimed,
    /** Result of a call that says -1 on failure: as it is, or the negative error number. */
    resultOf: (result: number): number => (result === -1 ? -errno[0]! : result),
    /** Memory of the kernel or of mmap, without a copy. It must stay mapped as long as anybody sees it. */
    view: (address: bigint, length: number): ArrayBuffer => ffi.toArrayBuffer(address, length, false),
  };
}

export type Libc = ReturnType<typeof bindLibc>;

/** libc for this thread, or why there is none. */
export function openLibc(): Libc | string {
  const ffi = loadFfi();
  if (ffi === null) return "this Node has no node:ffi";
  try {
    return bindLibc(ffi);
  } catch (error) {
    return `node:ffi cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
