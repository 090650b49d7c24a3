// SPDX-License-Identifier: Apache-2.0
// Who may import whom, as data, and the check that holds a set of files against it.

import { posix } from "node:path";

import type { Files } from "./repository.ts";
import { type Import, readImports } from "./scanner.ts";

interface Layer {
  /** Other folders of src/, or single files of them, whose names may be used. `*` is everything. */
  readonly uses: readonly string[];
  /** Node's own modules, without `node:`; absent = all but the reserved ones. */
  readonly builtins?: readonly string[];
  /** Packages from package.json. */
  readonly packages?: readonly string[];
}

const port = "telemetry/port.ts";
const platformNeutral = ["core", "model", "kube", "platform", port];

/** The SDK and the parts of it that are named themselves. */
const openTelemetry = ["api", "otlp-exporter-base", "otlp-transformer", "resources", "sdk-node", "sdk-trace"].map(
  (part) => `@opentelemetry/${part}`,
);

/** One row per folder of src/; `main.ts` stands for itself. */
export const layers: Readonly<Record<string, Layer>> = {
  core: { uses: [], builtins: [] },
  model: { uses: ["core"], builtins: [] },
  router: { uses: ["core", "model"], builtins: [], packages: ["re2js"] },
  config: { uses: ["core", "model", "router", "kube", port], packages: ["yaml"] },
  telemetry: { uses: ["core", "model"], packages: ["prom-client", ...openTelemetry] },
  platform: { uses: ["core"] },
  kube: { uses: ["core", "model", port], packages: ["undici"] },
  proxy: { uses: ["core", "model", "router", "platform", port] },
  inject: { uses: platformNeutral },
  announce: { uses: platformNeutral },
  cli: { uses: ["core", "model"], packages: ["yaml"] },
  roles: { uses: ["*"] },
  "main.ts": { uses: ["*"] },
};

/** Files that may be imported past their folder's index.ts, and why. */
export const openFiles: Readonly<Record<string, string>> = {
  "telemetry/port.ts": "interfaces only: the rest of telemetry must stay out of those who record",
  "telemetry/recording.ts": "what data-plane workers record with, without what shows it: they load no HTTP server",
  "proxy/transport/transport.ts": "the line between protocols and I/O, for transports that live elsewhere",
  "cli/node-version.ts": "must load on a Node too old for everything else",
};

/** Narrower than the folder they stand in. */
const fileBuiltins: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "core/addresses.ts": { net: ["isIP"] },
};

/** Folders to whom a module is reserved. */
const reserved: Readonly<Record<string, readonly string[]>> = {
  "node:ffi": ["platform"],
  "node:http": ["telemetry", "kube", "inject", "roles"],
  "node:https": ["telemetry", "kube", "inject", "roles"],
};

/** Everything wrong with the imports of `files` (paths from the root, only those in src/ are read), one line each. */
export function checkImports(files: Files): string[] {
  const source = [...files].filter(([path]) => path.startsWith("src/") && path.endsWith(".ts"));
  const violations: string[] = [];
  for (const [path, text] of source) {
    for (const found of readImports(text)) {
      const complaint = judge(path.slice("src/".length), found);
      if (complaint !== null) violations.push(`${path}:${found.line} ${found.specifier}: ${complaint}`);
    }
  }
  return [...violations, ...findCycles(new Map(source))];
}

function judge(path: string, found: Import): string | null {
  const from = layerOf(path);
  const layer = layers[from];
  if (layer === undefined) return `src/${from} has no row in layers`;
  const { specifier } = found;
  if (specifier.startsWith("node:")) return judgeBuiltin(path, from, layer, found);
  if (!specifier.startsWith(".")) return judgePackage(layer, specifier);
  if (posix.relative("src", posix.join("src", path, "..", specifier)) === "../package.json") {
    return from === "roles" ? null : "only roles know the package's version";
  }
  const target = posix.join(posix.dirname(path), specifier);
  const to = layerOf(target);
  if (to === from) return null;
  if (target.startsWith("..")) return "leaves src/";
  if (to === "cli" && from !== "main.ts" && from !== "roles") return "only main.ts and roles use cli";
  if (to === "main.ts" || (to === "roles" && from !== "main.ts")) return "nothing imports a composition root";
  if (!layer.uses.includes("*") && !layer.uses.includes(to) && !layer.uses.includes(target))
    return `${from} must not use ${to}`;
  if (posix.basename(target) !== "index.ts" && openFiles[target] === undefined && to !== "roles")
    return "import the folder's index.ts";
  return posix.dirname(target) === to || openFiles[target] !== undefined ? null : "import the folder's own index.ts";
}

function judgeBuiltin(path: string, from: string, layer: Layer, found: Import): string | null {
  const { specifier, names } = found;
  const name = specifier.slice("node:".length);
  const allowedTo = reserved[specifier];
  if (allowedTo !== undefined && !allowedTo.includes(from)) return `reserved to ${allowedTo.join(", ")}`;
  const allowedNames = fileBuiltins[path]?.[name];
  if (allowedNames !== undefined) {
    return names.length > 0 && names.every((each) => allowedNames.includes(each))
      ? null
      : `only ${allowedNames.join(", ")} of it`;
  }
  if (layer.builtins === undefined || layer.builtins.includes(name)) return null;
  return `${from} does no I/O`;
}

function judgePackage(layer: Layer, specifier: string): string | null {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return layer.packages?.includes(name) === true ? null : "not a package of this folder";
}

/** `core` for `core/clock.ts`, `main.ts` for itself. */
function layerOf(path: string): string {
  return path.split("/", 1)[0]!;
}

/** Cycles of modules that load each other; types alone load nothing, and what is imported on demand loads later. */
function findCycles(source: Files): string[] {
  const loads = new Map<string, string[]>();
  for (const [path, text] of source) {
    const now = readImports(text).filter(
      (found) => !found.typeOnly && !found.dynamic && found.specifier.startsWith("."),
    );
    loads.set(
      path,
      now.map((found) => posix.join(posix.dirname(path), found.specifier)),
    );
  }
  const cycles: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push(`cycle: ${[...trail.slice(start), path].join(" → ")}`);
    if (start >= 0 || finished.has(path)) return;
    for (const next of loads.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of loads.keys()) visit(path, []);
  return cycles;
}
