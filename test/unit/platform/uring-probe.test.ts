// SPDX-License-Identifier: Apache-2.0
// Every machine without io_uring is told apart from one with it, at the step where it says no, and nothing is left open.

import assert from "node:assert/strict";
import { test } from "node:test";
import { constants } from "node:os";

import { probeUring } from "../../../src/platform/index.ts";

type System = NonNullable<Parameters<typeof probeUring>[0]>;
type Libc = Exclude<ReturnType<System["libc"]>, string>;

const ringFd = 7;
/** SINGLE_MMAP, NODROP, EXT_ARG, CQE_SKIP. */
const allFeatures = (1 << 0) | (1 << 1) | (1 << 8) | (1 << 11);

interface Kernel {
  /** 0, or the error number of that call. */
  readonly setup?: number;
  readonly register?: number;
  readonly enter?: number;
  readonly features?: number;
  readonly lastOperation?: number;
}

/** A kernel that is asked through libc; `closed` is what was given back. */
function kernel({ setup = 0, register = 0, enter = 0, features = allFeatures, lastOperation = 63 }: Kernel) {
  const closed: number[] = [];
  let errno = 0;
  const answer = (failure: number, result: number): number => {
    errno = failure;
    return failure === 0 ? result : -1;
  };
  const libc: Libc = {
    syscallSetup(_number, _entries, parameters) {
      new DataView(parameters.buffer).setUint32(20, features, true);
      return answer(setup, ringFd);
    },
    syscallRegister(_number, fd, _code, ops, count) {
      assert.equal(fd, ringFd);
      for (let code = 0; code <= Math.min(lastOperation, count - 1); code++) ops[16 + code * 8 + 2] = 1;
      return answer(register, 0);
    },
    syscallShort: () => answer(enter, 0),
    resultOf: (result) => (result === -1 ? -errno : result),
    close(fd) {
      closed.push(fd);
      return 0;
    },
  };
  return { libc, closed };
}

const { EPERM, ENOSYS, EINVAL, ENOMEM, EACCES, EMFILE } = constants.errno;

test("a kernel that has everything is taken, and the ring it was asked with is closed", () => {
  const { libc, closed } = kernel({});
  assert.deepEqual(probeUring({ platform: "linux", libc: () => libc, sysctl: "0" }), { available: true });
  assert.deepEqual(closed, [ringFd]);
});

for (const [what, sysctl, how, reason] of [
  ["switched off for all", "2", { setup: EPERM }, "kernel.io_uring_disabled is 2"],
  ["switched off for users", "1", { setup: EPERM }, "kernel.io_uring_disabled is 1"],
  ["hidden by seccomp", "0", { setup: ENOSYS }, /^io_uring_setup: ENOSYS, .*seccomp/],
  ["forbidden by seccomp", "0", { setup: EPERM }, /^io_uring_setup: EPERM, .*seccomp/],
  ["forbidden by a security module", "", { setup: EACCES }, /^io_uring_setup: EACCES, .*security module/],
  ["of an old kernel", "", { setup: EINVAL }, /Linux 6\.1 is needed/],
  ["without locked memory", "0", { setup: ENOMEM }, /ENOMEM, .*LimitMEMLOCK/],
  ["without files", "0", { setup: EMFILE }, "io_uring_setup: EMFILE"],
  ["without the features", "0", { features: 1 }, /Linux 6\.1 is needed/],
  ["that cannot be registered with", "0", { register: EPERM }, "IORING_REGISTER_PROBE failed: EPERM"],
  ["without the operations", "0", { lastOperation: 25 }, "the kernel lacks its operation send"],
  ["that cannot be entered", "0", { enter: EPERM }, "io_uring_enter failed: EPERM"],
] as const) {
  test(`io_uring ${what} is none, and the reason says so`, () => {
    const { libc, closed } = kernel(how);
    const answer = probeUring({ platform: "linux", libc: () => libc, sysctl });
    assert.ok(!answer.available);
    if (typeof reason === "string") assert.equal(answer.reason, reason);
    else assert.match(answer.reason, reason);
    assert.deepEqual(closed, "setup" in how ? [] : [ringFd], "nothing is left open");
  });
}

test("neither another system nor a Node without node:ffi is asked any further", () => {
  const unasked = () => assert.fail("libc was opened");
  assert.deepEqual(probeUring({ platform: "darwin", libc: unasked }), {
    available: false,
    reason: "io_uring is of Linux, and this is darwin",
  });
  const reason = "this Node has no node:ffi";
  assert.deepEqual(probeUring({ platform: "linux", libc: () => reason }), { available: false, reason });
});
