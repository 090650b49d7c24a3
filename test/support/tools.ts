// SPDX-License-Identifier: Apache-2.0
// Foreign programs that tests run, in one list: scripts/pretest.ts installs them, requires.ts skips without them.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Command → Debian package that brings it. */
export const testTools = {
  arping: "iputils-arping",
  bird: "bird2",
  curl: "curl",
  exabgp: "exabgp",
  gobgpd: "gobgpd",
  ip: "iproute2",
  keepalived: "keepalived",
  ndisc6: "ndisc6",
  nginx: "nginx-light",
  prometheus: "prometheus",
  promtool: "prometheus",
  tcpdump: "tcpdump",
  setpriv: "util-linux",
  unshare: "util-linux",
  vtysh: "frr",
} as const satisfies Record<string, string>;

export type TestTool = keyof typeof testTools;

/** Variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Absolute path of a command, or null when it is not installed. Debian keeps daemons in sbin, which users lack in PATH. */
export function findTool(command: string, environment: Environment = process.env): string | null {
  const folders = [...(environment["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    const path = join(folder === "" ? "." : folder, command);
    if (isExecutable(path)) return path;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Missing and not executable are the same answer here.
    return false;
  }
}
