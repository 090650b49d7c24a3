// SPDX-License-Identifier: Apache-2.0
// Runs before `npm test`: installs the Debian packages that tests need when it may, says what is missing when it may not.

import { spawnSync } from "node:child_process";

import { findTool, testTools } from "../test/support/tools.ts";

const missing = Object.entries(testTools).flatMap(([command, name]) => (findTool(command) === null ? [name] : []));
if (missing.length > 0) install([...new Set(missing)]);

/** Without root, or without apt, tests that need a missing tool skip with a reason; under CI=true they fail. */
function install(packages: readonly string[]): void {
  if (process.getuid?.() !== 0 || findTool("apt-get") === null) {
    console.error(`Not installed, so some tests will skip: ${packages.join(", ")}`);
    return;
  }
  console.error(`Installing for the tests: ${packages.join(", ")}`);
  if (apt("install", "--no-install-recommends", ...packages)) return;
  // A fresh machine has no package lists yet.
  if (apt("update") && apt("install", "--no-install-recommends", ...packages)) return;
  console.error("apt-get could not install them, so some tests will skip");
}

function apt(...args: readonly string[]): boolean {
  // Packages of daemons start them; the tests start their own. These stop that, for systemd and for SysV init.
  const noServices = { SYSTEMD_OFFLINE: "1", RUNLEVEL: "1" };
  const env = { ...process.env, ...noServices, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync("apt-get", ["-qq", "-y", ...args], { env, stdio: ["ignore", "ignore", "ignore"] }).status === 0;
}
