// SPDX-License-Identifier: Apache-2.0
// The only ways for a test to skip: a foreign program is missing, which fails under CI=true, or the kernel forbids what
// is to be tested.

import type { TestContext } from "node:test";

import { messageOf } from "../../src/core/index.ts";
import { findTool, testTools, type Environment, type TestTool } from "./tools.ts";
import type { TransportKind } from "./transport-under-test.ts";

/** The part of a test that can skip it. */
type Skippable = Pick<TestContext, "skip">;

/**
 * The absolute path of a program, or null after marking the test as skipped; return from the test then.
 * Throws instead under CI=true, where a check that did not run must not look like one that passed.
 */
export function requireTool(t: Skippable, tool: TestTool, environment: Environment = process.env): string | null {
  const path = findTool(tool, environment);
  if (path !== null) return path;
  const reason = `${tool} is not installed (Debian package ${testTools[tool]})`;
  if (environment["CI"] === "true") throw new Error(reason);
  t.skip(reason);
  return null;
}

/**
 * The absolute path of `ip`, or null after marking the test as skipped: network namespaces are root's. Also under CI=true.
 */
export function requireNamespaces(t: Skippable): string | null {
  const path = requireTool(t, "ip");
  if (path === null || process.getuid?.() === 0) return path;
  t.skip("network namespaces can be made by root only");
  return null;
}

/**
 * Makes an interface by `make`, which runs `ip`; false after marking the test as skipped where the kernel has none of the
 * kind, which cannot be installed: also under CI=true.
 */
export async function requireLink(t: Skippable, make: () => Promise<unknown>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    const reason = messageOf(error);
    if (!reason.includes("Unknown device type")) throw error;
    t.skip(`this kernel has no such interfaces: ${reason.replaceAll("\n", " ").trim()}`);
    return false;
  }
}

/**
 * Whether this transport can run here; marks the test as skipped otherwise, with the reason. Also under CI=true: what the
 * kernel of the machine forbids cannot be installed.
 */
export function requireTransport(t: TestContext, { name, unavailable }: TransportKind): boolean {
  const reason = unavailable();
  if (reason === null) return true;
  t.skip(`the ${name} transport cannot run here: ${reason}`);
  return false;
}
