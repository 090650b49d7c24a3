// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { countFindings, ok, renderFindings, verdictOf, type Finding } from "../../../../src/roles/doctor/finding.ts";

const findings: readonly Finding[] = [
  ok("ports", "all can be had"),
  { check: "arp", status: "error", what: "it answers", why: "clients are misled", fix: "sysctl -w it=1" },
  { check: "files", status: "warning", what: "a.yaml:1:1: odd", why: "", fix: "" },
  { check: "keys", status: "info", what: "none", why: "", fix: "" },
];

test("findings are shown in their order, each with why it matters and what to do below it", () => {
  assert.equal(
    renderFindings(findings, null, (text) => text),
    `STATUS   CHECK  FOUND
ok       ports  all can be had
error    arp    it answers
                why: clients are misled
                do: sysctl -w it=1
warning  files  a.yaml:1:1: odd
info     keys   none
`,
  );
});

test("the verdict counts errors and warnings", () => {
  assert.deepEqual(countFindings(findings), { ok: 1, info: 1, warning: 1, error: 1 });
  assert.equal(verdictOf(countFindings(findings)), "1 error, 1 warning");
  assert.equal(verdictOf(countFindings([])), "0 errors, 0 warnings");
});
