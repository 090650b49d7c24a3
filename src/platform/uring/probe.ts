// SPDX-License-Identifier: Apache-2.0
// Whether io_uring can be used here: asked of the kernel by setting up a small ring the way the real one is.

import { getSystemErrorName } from "node:util";

import { openLibc } from "../libc.ts";
import { feature, opcode, params, registerCode, setupFlag, syscallNumber } from "./abi.ts";
import { setupProblem } from "./setup-problem.ts";

export type UringAvailability = { readonly available: true } | { readonly available: false; readonly reason: string };

const probeOps = 64;
const probeHeaderBytes = 16;
const opSupported = 1;
const neededFeatures = feature.singleMmap | feature.nodrop | feature.extArg | feature.cqeSkip;

/** What is called of libc; results as there. */
interface ProbeCalls {
  syscallSetup(call: number, entries: number, parameters: Uint8Array): number;
  syscallRegister(call: number, fd: number, code: number, argument: Uint8Array, count: number): number;
  syscallShort(call: number, fd: number, submit: number, wait: number, flags: number, a: number, b: number): number;
  resultOf(result: number): number;
  close(fd: number): number;
}

/** What is asked; `libc` may be a reason why there is none. */
export interface ProbedSystem {
  readonly platform: string;
  readonly libc: () => ProbeCalls | string;
  /** kernel.io_uring_disabled, if it is not the one of this kernel. */
  readonly sysctl?: string;
}

const thisSystem: ProbedSystem = { platform: process.platform, libc: openLibc };

/**
 * Asks the kernel, the sandbox and this Node. Takes below a millisecond and leaves nothing behind. The reason is one
 * line for the log.
 */
export function probeUring(system: ProbedSystem = thisSystem): UringAvailability {
  if (system.platform !== "linux") return no(`io_uring is of Linux, and this is ${system.platform}`);
  const libc = system.libc();
  if (typeof libc === "string") return no(libc);
  const setup = new Uint8Array(params.bytes);
  new DataView(setup.buffer).setUint32(params.flags, setupFlag.singleIssuer | setupFlag.deferTaskrun, true);
  const fd = libc.resultOf(libc.syscallSetup(syscallNumber.setup, 8, setup));
  if (fd < 0) return no(setupProblem(fd, system.sysctl));
  try {
    const missing = missingFeature(libc, fd, new DataView(setup.buffer).getUint32(params.features, true));
    return missing === null ? { available: true } : no(missing);
  } finally {
    libc.close(fd);
  }
}

function missingFeature(libc: ProbeCalls, fd: number, features: number): string | null {
  const old = "the kernel is too old for it: Linux 6.1 is needed";
  if ((features & neededFeatures) !== neededFeatures) return old;
  const answer = new Uint8Array(probeHeaderBytes + probeOps * 8);
  const result = libc.resultOf(libc.syscallRegister(syscallNumber.register, fd, registerCode.probe, answer, probeOps));
  if (result < 0) return `IORING_REGISTER_PROBE failed: ${getSystemErrorName(result)}`;
  for (const [name, code] of Object.entries(opcode)) {
    const flags = answer[probeHeaderBytes + code * 8 + 2]! | (answer[probeHeaderBytes + code * 8 + 3]! << 8);
    if ((flags & opSupported) === 0) return `the kernel lacks its operation ${name}`;
  }
  const entered = libc.resultOf(libc.syscallShort(syscallNumber.enter, fd, 0, 0, 0, 0, 0));
  return entered < 0 ? `io_uring_enter failed: ${getSystemErrorName(entered)}` : null;
}

function no(reason: string): UringAvailability {
  return { available: false, reason };
}
