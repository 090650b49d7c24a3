// SPDX-License-Identifier: Apache-2.0
// The only way for a test to skip: because a foreign program is missing, and never under CI=true.

import type { TestContext } from "node:test";

import { findTool, testTools, type Environment, type TestTool } from "./tools.ts";

/**
 * The absolute path of a program, or null after marking the test as skipped; return from the test then.
 * Throws instead under CI=true, where a check that did not run must not look like one that passed.
 */
export function requireTool(t: TestContext, tool: TestTool, environment: Environment = process.env): string | null {
  const path = findTool(tool, environment);
  if (path !== null) return path;
  const reason = `${tool} is not installed (Debian package ${testTools[tool]})`;
  if (environment["CI"] === "true") throw new Error(reason);
  t.skip(reason);
  return null;
}
