// SPDX-License-Identifier: Apache-2.0
// What a route is bound to.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { ForwardAction, RetryPolicy } from "../../../src/model/index.ts";
import { bindAction } from "../../../src/proxy/route-binding.ts";
import type { RetryRules } from "../../../src/proxy/retry.ts";

test("routes with the same retry policy share its rules, others have their own", () => {
  const policy: RetryPolicy = { attempts: 2, perTryTimeoutMs: 0, on: ["5xx"], statusCodes: [], backoffMs: 25 };
  const rules = new Map<RetryPolicy, RetryRules>();
  const retryOf = (retries: RetryPolicy): RetryRules => {
    const action: ForwardAction = { kind: "forward", destinations: [], timeoutMs: 0, retries };
    const bound = bindAction(action, new Map(), rules);
    assert.equal(bound.kind, "forward");
    return bound.retry;
  };
  const first = retryOf(policy);
  assert.equal(first.attempts, 2);
  assert.equal(retryOf(policy), first);
  assert.equal(retryOf({ ...policy, attempts: 5 }).attempts, 5);
});
