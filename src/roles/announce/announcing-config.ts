// SPDX-License-Identifier: Apache-2.0
// What is announced by, made of the resources in force: as long as a pool, an advertisement or a peer contradicts another, the
// set that was good last stays, and services go on to come and go.

import { allocate, linkAnnouncements, type Allocations, type AnnounceConfig } from "../../announce/index.ts";
import type { Labels, Problem, Resource, ResourceKind } from "../../model/index.ts";

/** Kinds that are good or bad together. */
const settingKinds: ReadonlySet<ResourceKind> = new Set([
  "IPAddressPool",
  "L2Advertisement",
  "BGPAdvertisement",
  "BGPPeer",
  "BFDProfile",
  "Community",
]);

/** All that is read for announcing. */
const readKinds: ReadonlySet<string> = new Set([
  ...settingKinds,
  "Service",
  "Namespace",
  "Node",
  "Secret",
  "EndpointSlice",
  "Endpoints",
]);

/** Whether somebody who announces wants to know: it is of a kind that he reads, or of no resource at all. */
export function concernsAnnouncing({ resource }: Problem): boolean {
  return resource === null || readKinds.has(resource.kind);
}

/** What is in force. */
export interface Announcing {
  readonly config: AnnounceConfig;
  readonly allocations: Allocations;
  /** Of linking. */
  readonly problems: readonly Problem[];
  /** Pools, advertisements and peers are those of before: the present ones contradict each other. */
  readonly stale: boolean;
}

export interface AnnouncingOptions {
  readonly node: string;
  readonly nodeLabels: Labels;
  readonly loadBalancerClass: string;
}

export class AnnouncingConfig {
  readonly #options: AnnouncingOptions;
  #good: readonly Resource[] | null = null;

  constructor(options: AnnouncingOptions) {
    this.#options = options;
  }

  /** All resources in force from now on. */
  take(resources: readonly Resource[]): Announcing {
    const { config, problems } = linkAnnouncements(resources, this.#options);
    const isBad = problems.some(({ severity, resource }) => severity === "error" && isSetting(resource));
    if (!isBad) this.#good = resources.filter(isSetting);
    // At the start there is nothing good to stay: what is right is used, and the rest left out.
    if (!isBad || this.#good === null) return this.#announcing(config, problems, isBad);
    const others = resources.filter((resource) => !isSetting(resource));
    return this.#announcing(linkAnnouncements([...others, ...this.#good], this.#options).config, problems, true);
  }

  #announcing(linked: AnnounceConfig, problems: readonly Problem[], stale: boolean): Announcing {
    const config = this.#withOwnLabels(linked);
    return { config, allocations: allocate(config.pools, config.services), problems, stale };
  }

  /** This node has the labels of the command line, whether or not a file describes it, and whether or not it is a member. */
  #withOwnLabels(config: AnnounceConfig): AnnounceConfig {
    const { node: name, nodeLabels } = this.#options;
    if (Object.keys(nodeLabels).length === 0) return config;
    const known = config.nodes.find((node) => node.name === name) ?? {
      name,
      labels: { "kubernetes.io/hostname": name },
      ready: true,
      networkUnavailable: false,
      excluded: false,
      addresses: [],
    };
    const own = { ...known, labels: { ...known.labels, ...nodeLabels } };
    return { ...config, nodes: [...config.nodes.filter((node) => node !== known), own] };
  }
}

function isSetting(resource: { readonly kind: string } | null): boolean {
  return resource !== null && (settingKinds as ReadonlySet<string>).has(resource.kind);
}
