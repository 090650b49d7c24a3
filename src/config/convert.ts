// SPDX-License-Identifier: Apache-2.0
// MetalLB's ConfigMap of 0.8 to 0.12 → documents of the resources that stand for it now.

import { createProblemList, type Problem, type ProblemList, type Resource } from "../model/index.ts";
import { decodeDocuments } from "./decode/index.ts";
import { isDnsSubdomain } from "./decode/names.ts";
import { isMetallb, manifestOf, type Manifest, type MetallbResource } from "./encode/metallb.ts";
import { readPaths } from "./source/index.ts";

export interface ConvertedConfigMaps {
  readonly manifests: readonly Manifest[];
  /** Of these ConfigMaps, of files that cannot be read and of what is no resource; the manifests are for nothing when one is an error. */
  readonly problems: readonly Problem[];
}

/** Everything but those ConfigMaps is passed over. Never throws for content. */
export async function convertConfigMaps(paths: readonly string[]): Promise<ConvertedConfigMaps> {
  const { files, problems: unread } = await readPaths(paths);
  const problems: Problem[] = [...unread];
  const renaming = createProblemList();
  const manifests: Manifest[] = [];
  let order = 0;
  for (const { path, text } of files) {
    const result = decodeDocuments(path, text, order);
    order = result.nextOrder;
    problems.push(
      ...result.problems.filter(
        ({ resource, code }) => (resource === null || resource.kind === "ConfigMap") && code !== "DEPRECATED",
      ),
    );
    const resources = result.resources.filter((resource) => resource.origin !== undefined).filter(isMetallb);
    const names = namesInKubernetes(resources, renaming);
    for (const resource of resources) manifests.push(manifestOf(withNames(resource, names)));
  }
  return { manifests, problems: [...problems, ...renaming.sorted()] };
}

/** `kind/name` → the name Kubernetes takes. A ConfigMap could name its parts as it liked. */
function namesInKubernetes(resources: readonly Resource[], problems: ProblemList): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set(resources.map(({ kind, name }) => `${kind}/${name}`));
  for (const resource of resources) {
    const { kind, name } = resource;
    if (isDnsSubdomain(name)) continue;
    const valid = name
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "");
    const isUsable = isDnsSubdomain(valid) && !taken.has(`${kind}/${valid}`);
    taken.add(`${kind}/${valid}`);
    names.set(`${kind}/${name}`, valid);
    const message = isUsable
      ? `Kubernetes takes no such name; it is ${valid} now, also in annotations that ask for it`
      : "Kubernetes takes no such name, and what is near to it is taken or empty; rename it first";
    problems.add({ code: "VALUE", severity: isUsable ? "warning" : "error", resource, path: "metadata.name", message });
  }
  return names;
}

/** Its own name and those it refers to. */
function withNames(resource: MetallbResource, names: ReadonlyMap<string, string>): MetallbResource {
  const nameOf = (kind: string, name: string): string => names.get(`${kind}/${name}`) ?? name;
  const name = nameOf(resource.kind, resource.name);
  switch (resource.kind) {
    case "L2Advertisement":
    case "BGPAdvertisement":
      return { ...resource, name, pools: resource.pools.map((pool) => nameOf("IPAddressPool", pool)) };
    case "BGPPeer":
      return { ...resource, name, bfdProfile: nameOf("BFDProfile", resource.bfdProfile) };
    default:
      return { ...resource, name };
  }
}
