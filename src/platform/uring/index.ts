// SPDX-License-Identifier: Apache-2.0
// io_uring: the ring, its memory, and whether this kernel has it.

export { bufferShift } from "./abi.ts";
export { probeUring, type UringAvailability } from "./probe.ts";
export { ReceiveBuffers } from "./receive-buffers.ts";
export { Ring } from "./ring.ts";
export { SendArena } from "./send-arena.ts";
