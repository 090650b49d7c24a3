// SPDX-License-Identifier: Apache-2.0
// Where the example lies, and the temporary folder with what only a running demo knows: the ports of its services.

import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";

import type { ServiceProcess } from "./service-processes.ts";

export interface ExampleFiles {
  /** Configuration to serve: the manifests, and the folder the workload entries go to. */
  readonly paths: readonly string[];
  /** The file with the routes between the services, the one to play with. */
  readonly routingFile: string;
  readonly servicesFolder: string;
  /** Makes the services known, each as a WorkloadEntry. */
  writeWorkloads(processes: readonly ServiceProcess[]): void;
  /** Removes the temporary folder. */
  remove(): void;
}

const exampleFolder = join("examples", "bookinfo");
const routingName = "routing.yaml";

/**
 * Finds the example upwards from `startFolder` and makes the temporary folder. `routing` takes the place of the
 * example's own routing.yaml. Throws when there is no example, as in an image without it.
 */
export function openExampleFiles(startFolder: string, routing: string | null): ExampleFiles {
  const example = findExample(startFolder);
  const manifests = join(example, "manifests");
  const temporary = mkdtempSync(join(tmpdir(), "naru-demo-"));
  const workloads = join(temporary, "workloads.yaml");
  // A configuration source must exist from the start; a comment is a document without resources.
  writeFileSync(workloads, "# The services have not said where they listen.\n");
  return {
    paths: [...manifestPaths(manifests, routing), workloads],
    routingFile: routing ?? join(manifests, routingName),
    servicesFolder: runnableServices(join(example, "services"), temporary),
    writeWorkloads(processes) {
      // Renamed into place, so that nobody reads half a file.
      const draft = join(temporary, "workloads.draft");
      writeFileSync(draft, workloadEntries(processes));
      renameSync(draft, workloads);
    },
    remove: () => rmSync(temporary, { recursive: true, force: true }),
  };
}

/** One WorkloadEntry per process, labelled so that its Service and its subset select it. */
export function workloadEntries(processes: readonly ServiceProcess[]): string {
  return processes
    .map(
      ({ app, version, port }) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: ${app}-${version}
spec:
  address: 127.0.0.1
  ports:
    http: ${port}
  labels:
    app: ${app}
    version: ${version}
`,
    )
    .join("---\n");
}

function findExample(startFolder: string): string {
  for (let folder = startFolder; ; folder = dirname(folder)) {
    const example = join(folder, exampleFolder);
    if (existsSync(join(example, "manifests", routingName))) return example;
    if (folder === dirname(folder)) throw new Error(`${exampleFolder} is not part of this installation`);
  }
}

/** The folder itself, so that new files in it count too; file by file when one of them is replaced. */
function manifestPaths(manifests: string, routing: string | null): readonly string[] {
  if (routing === null) return [manifests];
  const kept = readdirSync(manifests).filter((name) => name.endsWith(".yaml") && name !== routingName);
  return [...kept.map((name) => join(manifests, name)), routing];
}

/** Node runs no TypeScript below node_modules, where an installed package lies: then a copy is run. */
function runnableServices(services: string, temporary: string): string {
  if (!services.includes(`${sep}node_modules${sep}`)) return services;
  const copy = join(temporary, "services");
  cpSync(services, copy, { recursive: true });
  writeFileSync(join(temporary, "package.json"), '{ "type": "module" }\n');
  return copy;
}
