// SPDX-License-Identifier: Apache-2.0
// Time that load needs to pass. Never a way to wait for an outcome: outcomes are counted.

import { setTimeout as wait } from "node:timers/promises";

export async function pause(milliseconds: number): Promise<void> {
  await wait(milliseconds);
}
