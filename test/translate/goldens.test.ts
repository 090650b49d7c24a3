// SPDX-License-Identifier: Apache-2.0
// From YAML to snapshots: every folder has an input.yaml and the expected.json it must become. options.json says what
// the proxy is, if not a gateway. UPDATE_GOLDEN=1 writes what came out instead; read the diff before keeping it.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { compileEndpoints } from "../../src/config/compile/compile-endpoints.ts";
import { compileRouting } from "../../src/config/compile/compile-routing.ts";
import { decodeDocuments } from "../../src/config/decode/index.ts";
import type { CompileOptions } from "../../src/config/link/options.ts";
import { formatProblem, unknownWorkload } from "../../src/model/index.ts";

const folder = import.meta.dirname;
const update = process.env["UPDATE_GOLDEN"] === "1";

const gatewayOptions: CompileOptions = {
  identity: {
    workload: { ...unknownWorkload, workload: "ingressgateway", namespace: "default", cluster: "Kubernetes" },
    labels: { istio: "ingressgateway" },
    namespace: "default",
    clusterDomain: "cluster.local",
  },
  gateway: true,
  mesh: null,
};

describe("goldens", () => {
  for (const name of readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? entry.name : [],
  )) {
    it(name, () => {
      const actual = translate(name);
      const path = join(folder, name, "expected.json");
      if (update) writeFileSync(path, `${JSON.stringify(actual, null, 2)}\n`);
      assert.deepEqual(actual, JSON.parse(readFileSync(path, "utf8")));
    });
  }
});

function translate(name: string): unknown {
  const optionsPath = join(folder, name, "options.json");
  const given = existsSync(optionsPath)
    ? (JSON.parse(readFileSync(optionsPath, "utf8")) as Partial<CompileOptions>)
    : {};
  const options = { ...gatewayOptions, ...given };
  const decoded = decodeDocuments("input.yaml", readFileSync(join(folder, name, "input.yaml"), "utf8"), 0);
  const { routing, problems } = compileRouting(decoded.resources, options);
  const { endpoints, problems: endpointProblems } = compileEndpoints(decoded.resources, routing, options);
  return compact({
    listeners: routing.listeners,
    routeTables: routing.routeTables,
    clusters: routing.clusters,
    endpoints: endpoints.endpoints,
    problems: [...decoded.problems, ...problems, ...endpointProblems].map(formatProblem),
  });
}

/** Plain data for people to read: maps as objects, positions as text, conditions that hold for everything left out. */
function compact(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, field: unknown): unknown => {
      if (field instanceof Map) return Object.fromEntries(field as ReadonlyMap<string, unknown>);
      if (key === "position") return positionText(field as { readonly line: number; readonly column: number });
      if (key === "resource") return Object.values(field as object).join("/");
      const isNoCondition = field === null || field === false || (Array.isArray(field) && field.length === 0);
      return isNoCondition && key !== "" && !keptEmpty.has(key) ? undefined : field;
    }),
  );
}

/** Emptiness or falseness is what the golden is about. */
const keptEmpty: ReadonlySet<string> = new Set(["hosts", "routes", "problems", "on", "listeners", "ready"]);

function positionText({ line, column }: { readonly line: number; readonly column: number }): string {
  return `${line}:${column}`;
}
