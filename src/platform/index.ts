// SPDX-License-Identifier: Apache-2.0
// What Node has no API for: raw sockets and io_uring, through node:ffi. Nothing outside this folder sees a pointer.

export { EventLoop } from "./event-loop.ts";
export { closeLeftFiles, createLedgerMemory, FileLedger } from "./file-ledger.ts";
export * from "./netlink/index.ts";
export { openLibc, type Libc } from "./libc.ts";
export { mapMemory, type MappedMemory, type Sendable } from "./mapped-memory.ts";
export { trimMemory } from "./memory.ts";
export { openNearUdp } from "./near-udp.ts";
export { openPackets, type PacketCounts, type PacketPort } from "./packets.ts";
export { familyOf, type SocketAddress } from "./socket-address.ts";
export type { SplicePipe } from "./splice-pipe.ts";
export { Sockets, type BindOptions } from "./sockets.ts";
export { systemError, type SystemError } from "./system-error.ts";
export { openGuardedTcp, type GuardedListener, type GuardedTcp, type TcpGuards } from "./tcp-md5.ts";
export * from "./uring/index.ts";
