// SPDX-License-Identifier: Apache-2.0
// Why the kernel gives no ring, in one line for people.

import { readFileSync } from "node:fs";
import { getSystemErrorName } from "node:util";

/** `errno` is negative, as `io_uring_setup` returns it. */
export function setupProblem(errno: number, sysctl: string = readSysctl()): string {
  const name = getSystemErrorName(errno);
  if (sysctl === "2" || (sysctl === "1" && name === "EPERM")) return `kernel.io_uring_disabled is ${sysctl}`;
  switch (name) {
    case "ENOSYS":
      return "io_uring_setup: ENOSYS, the kernel has none or a seccomp profile hides it";
    case "EPERM":
    case "EACCES":
      return `io_uring_setup: ${name}, a seccomp profile or security module forbids it`;
    case "EINVAL":
      return "io_uring_setup: EINVAL, the kernel is too old for it: Linux 6.1 is needed";
    case "ENOMEM":
      return "io_uring_setup: ENOMEM, more locked memory is needed (ulimit -l; systemd: LimitMEMLOCK)";
    default:
      return `io_uring_setup: ${name}`;
  }
}

function readSysctl(): string {
  try {
    return readFileSync("/proc/sys/kernel/io_uring_disabled", "utf8").trim();
  } catch {
    // Kernels before 6.6 have no such switch.
    return "";
  }
}
