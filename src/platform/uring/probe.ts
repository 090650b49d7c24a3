// SPDX-License-Identifier: Apache-2.0
// Whether io_uring can be used here: asked of the kernel by setting up a small ring the way the real one is.

import { readFileSync } from "node:fs";
import { getSystemErrorName } from "node:util";

import { openLibc, type Libc } from "../libc.ts";
import { feature, opcode, params, registerCode, setupFlag, syscallNumber } from "./abi.ts";

export type UringAvailability = { readonly available: true } | { readonly available: false; readonly reason: string };

const probeOps = 64;
const probeHeaderBytes = 16;
const opSupported = 1;
const neededFeatures = feature.singleMmap | feature.nodrop | feature.extArg;

/**
 * Asks the kernel, the sandbox and this Node. Takes below a millisecond and leaves nothing behind. The reason is one
 * line for the log.
 */
export function probeUring(): UringAvailability {
  if (process.platform !== "linux") return no(`io_uring is of Linux, and this is ${process.platform}`);
  const libc = openLibc();
  if (typeof libc === "string") return no(libc);
  const setup = new Uint8Array(params.bytes);
  new DataView(setup.buffer).setUint32(params.flags, setupFlag.singleIssuer | setupFlag.deferTaskrun, true);
  const fd = libc.resultOf(libc.syscallSetup(syscallNumber.setup, 8, setup));
  if (fd < 0) return no(setupProblem(-fd));
  try {
    const missing = missingFeature(libc, fd, new DataView(setup.buffer).getUint32(params.features, true));
    return missing === null ? { available: true } : no(missing);
  } finally {
    libc.close(fd);
  }
}

function missingFeature(libc: Libc, fd: number, features: number): string | null {
  const old = "the kernel is too old for it: Linux 6.1 is needed";
  if ((features & neededFeatures) !== neededFeatures) return old;
  const answer = new Uint8Array(probeHeaderBytes + probeOps * 8);
  const result = libc.resultOf(libc.syscallRegister(syscallNumber.register, fd, registerCode.probe, answer, probeOps));
  if (result < 0) return `IORING_REGISTER_PROBE failed: ${getSystemErrorName(result)}`;
  for (const [name, code] of Object.entries(opcode)) {
    const flags = answer[probeHeaderBytes + code * 8 + 2]! | (answer[probeHeaderBytes + code * 8 + 3]! << 8);
    if ((flags & opSupported) === 0) return `the kernel lacks its operation ${name}`;
  }
  return null;
}

function setupProblem(errno: number): string {
  const name = getSystemErrorName(-errno);
  const disabled = readSysctl();
  if (disabled === "2" || (disabled === "1" && name === "EPERM")) return `kernel.io_uring_disabled is ${disabled}`;
  if (name === "ENOSYS") return "io_uring_setup: ENOSYS, the kernel has none or a seccomp profile hides it";
  if (name === "EPERM" || name === "EACCES")
    return `io_uring_setup: ${name}, a seccomp profile or security module forbids it`;
  if (name === "EINVAL") return "io_uring_setup: EINVAL, the kernel is too old for it: Linux 6.1 is needed";
  return `io_uring_setup: ${name}`;
}

function readSysctl(): string {
  try {
    return readFileSync("/proc/sys/kernel/io_uring_disabled", "utf8").trim();
  } catch {
    // Kernels before 6.6 have no such switch.
    return "";
  }
}

function no(reason: string): UringAvailability {
  return { available: false, reason };
}
