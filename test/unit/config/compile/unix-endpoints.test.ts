// SPDX-License-Identifier: Apache-2.0
// Workloads behind Unix sockets: who gets them as endpoints, and who is told why not.

import assert from "node:assert/strict";
import { test } from "node:test";

import { compileEndpoints } from "../../../../src/config/compile/compile-endpoints.ts";
import { compileRouting } from "../../../../src/config/compile/compile-routing.ts";
import type { Resource } from "../../../../src/model/index.ts";
import { meshOptions, serviceEntry, workloadEntry, workloadSpec } from "./builders.ts";

const path = "/run/web.sock";
const api = "outbound|80||api.example.com";

function compile(...resources: readonly Resource[]) {
  const { endpoints, problems } = compileEndpoints(
    resources,
    compileRouting(resources, meshOptions).routing,
    meshOptions,
  );
  const found = endpoints.endpoints.get(api) ?? [];
  return {
    found: found.map(({ address, port }) => [address, port]),
    problems: problems.map(({ code, severity, path: field }) => `${severity} ${code} ${field}`),
  };
}

test("an inline endpoint is the path, and has no port", () => {
  const entry = serviceEntry({ resolution: "STATIC", endpoints: [workloadSpec(path)] });
  assert.deepEqual(compile(entry), { found: [[path, 0]], problems: [] });
});

test("so is a selected workload", () => {
  const labels = { app: "api" };
  const entry = serviceEntry({ resolution: "STATIC", workloadSelector: labels });
  const workload = workloadEntry("api", path, labels);
  assert.deepEqual(compile(entry, workload), { found: [[path, 0]], problems: [] });
});

test("a service that resolves names cannot have it, and says so", () => {
  const labels = { app: "api" };
  const entry = serviceEntry({ resolution: "DNS", workloadSelector: labels });
  const workload = workloadEntry("api", path, labels);
  assert.deepEqual(compile(entry, workload), { found: [], problems: ["warning VALUE spec.address"] });
});
