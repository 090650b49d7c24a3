// SPDX-License-Identifier: Apache-2.0
// What Node has no API for: raw sockets and io_uring, through node:ffi. Nothing outside this folder sees a pointer.

export { probeUring, type UringAvailability } from "./uring/probe.ts";
