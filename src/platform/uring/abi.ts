// SPDX-License-Identifier: Apache-2.0
// Numbers and layouts of io_uring, from the kernel's include/uapi/linux/io_uring.h, as far as they are used here.

export const syscallNumber = { setup: 425, enter: 426, register: 427 } as const;

export const setupFlag = {
  cqSize: 1 << 3,
  clamp: 1 << 4,
  singleIssuer: 1 << 12,
  deferTaskrun: 1 << 13,
} as const;

export const feature = { singleMmap: 1 << 0, nodrop: 1 << 1, extArg: 1 << 8, cqeSkip: 1 << 11 } as const;

export const enterFlag = { getEvents: 1 << 0, extArg: 1 << 3 } as const;

export const registerCode = { probe: 8, bufferRing: 22, bufferStatus: 26 } as const;

export const opcode = {
  pollAdd: 6,
  timeout: 11,
  accept: 13,
  asyncCancel: 14,
  connect: 16,
  close: 19,
  send: 26,
  recv: 27,
} as const;

/** Bits of an entry's flags byte, shifted to where it stands in the entry's first word. */
export const entryFlag = { bufferSelect: (1 << 5) << 8, skipSuccess: (1 << 6) << 8 } as const;

/** Bits of an entry's ioprio field, shifted likewise. */
export const ioprio = {
  acceptMultishot: (1 << 0) << 16,
  recvMultishot: (1 << 1) << 16,
} as const;

/** Bits of a completion's flags. */
export const completionFlag = { buffer: 1 << 0, more: 1 << 1 } as const;
export const bufferShift = 16;

/** io_uring_params: total size, and where its fields are. */
export const params = {
  bytes: 120,
  sqEntries: 0,
  cqEntries: 4,
  flags: 8,
  features: 20,
  sqOffsets: 40,
  cqOffsets: 80,
} as const;

/** Fields of sq_off and cq_off within their structures. */
export const sqOffset = { head: 0, tail: 4, mask: 8, flags: 16, dropped: 20, array: 24 } as const;
export const cqOffset = { head: 0, tail: 4, mask: 8, overflow: 16, cqes: 20 } as const;

export const ringMmap = { rings: 0, entries: 0x1000_0000 } as const;

export const entryBytes = 64;
export const entryWords = entryBytes / 4;
export const completionBytes = 16;

export const sqFlag = { cqOverflow: 1 << 1 } as const;
