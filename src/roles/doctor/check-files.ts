// SPDX-License-Identifier: Apache-2.0
// What is wrong in the files, and what this node would not announce: what linking, allocating and deciding say, put into
// findings. Nothing is judged a second time here. Pure.

import { decide, reachOf, type Decision, type ServiceDecision } from "../../announce/index.ts";
import { formatProblem, type Problem } from "../../model/index.ts";
import type { LinkInfo } from "../../platform/index.ts";
import type { Announcing } from "../announce/announcing-config.ts";
import { ok, type Finding, type Status } from "./finding.ts";

export interface FilesQuestion {
  readonly announcing: Announcing;
  /** All problems: of reading and of linking. */
  readonly problems: readonly Problem[];
  readonly node: string;
  /** There are no others that could announce instead. */
  readonly alone: boolean;
  /** Interfaces that layer 2 can use; null = unknown. */
  readonly links: readonly LinkInfo[] | null;
}

const nothing: ReadonlySet<string> = new Set();

/** What this node would announce if it were the only one that is alive. */
export function decideAlone({ announcing, node, links }: FilesQuestion, ways: "all" | "l2" | "bgp" = "all"): Decision {
  const { config: all, allocations } = announcing;
  const config = { ...all, ...(ways === "l2" ? { bgp: [] } : ways === "bgp" ? { l2: [] } : {}) };
  const reach = links === null ? null : reachOf(links, all);
  const me = { node, labels: {}, ready: true, seasoned: true, reach, announced: nothing, withheld: nothing };
  return decide({
    config,
    allocations: allocations.services,
    me: node,
    members: [me],
    offSubnet: false,
    withheld: nothing,
  });
}

export function checkFiles(question: FilesQuestion): readonly Finding[] {
  return [...checkProblems(question), ...checkAddresses(question), ...checkAnnouncements(question)];
}

function checkProblems({ problems }: FilesQuestion): readonly Finding[] {
  const check = "files";
  if (problems.length === 0) return [ok(check, "nothing is wrong in them")];
  return problems.map((problem) => {
    const why = problem.severity === "error" ? "the resource is left out" : "";
    return { check, status: problem.severity, what: formatProblem(problem), why, fix: "" };
  });
}

function checkAddresses({ announcing: { allocations } }: FilesQuestion): readonly Finding[] {
  const check = "addresses";
  if (allocations.services.length === 0) {
    const [what, why] = [
      "there is no Service of type LoadBalancer that is served here; see --lb-class",
      "nothing is announced",
    ];
    return [{ check, status: "warning", what, why, fix: "check the paths after -f, spec.type and --lb-class" }];
  }
  const failed = new Grouped();
  const noted = new Grouped();
  for (const { service, failure, notes } of allocations.services) {
    if (failure !== null) failed.add(failure, service);
    for (const note of notes) noted.add(note, service);
  }
  const findings = [
    ...failed.map((failure, services): Finding => {
      const fix = "widen the pool, or change what the service asks for";
      return { check, status: "error", what: `${services}: ${failure}`, why: "no address, so nobody reaches it", fix };
    }),
    ...noted.map((note, services): Finding => {
      return { check, status: "warning", what: `${services}: ${note}`, why: "", fix: "" };
    }),
  ];
  return findings.length > 0 ? findings : [ok(check, "every service has what it asks for")];
}

type Code = NonNullable<ServiceDecision["layer2Reason"]>;

/** Reasons that are the same on every node, and those that are none of this node's making. */
const everywhere: ReadonlySet<Code> = new Set(["sharedIPWithServiceSelector", "conflictingAdvertisements"]);
const passing: ReadonlySet<Code> = new Set(["noEndpoints", "nodeNetworkUnavailable", "nodeNotReady"]);

const fixes: Partial<Readonly<Record<Code, string>>> = {
  outsideSubnet: "take addresses of this subnet, give the L2Advertisement nodeSelectors, or announce by BGP",
  noInterface: "see interfaces",
  noMatchingAdvertisement:
    "check nodeSelectors and serviceSelectors of the advertisement, and --node and --node-labels",
  notOwner: "check nodeSelectors of the BGPAdvertisement, and --node and --node-labels",
  noPeer: "check nodeSelectors of the BGPPeers, and spec.peers of the BGPAdvertisement",
  sharedIPWithServiceSelector:
    "take serviceSelectors out of the L2Advertisement, or allow-shared-ip out of the service",
  conflictingAdvertisements: "give advertisements for the same services and peers one localPref",
  noEndpoints: "see why none of its pods is ready",
  noLocalEndpoints: "run a pod of it here, or set externalTrafficPolicy: Cluster",
  nodeLabeledExcludeBalancers: "remove the label node.kubernetes.io/exclude-from-external-load-balancers",
};

/** Each way by itself: a service that BGP announces can be missing from layer 2 all the same. */
function checkAnnouncements(question: FilesQuestion): readonly Finding[] {
  const check = "announcements";
  const findings: Finding[] = [];
  for (const way of ["l2", "bgp"] as const) {
    const grouped = new Map<Code, Grouped>();
    for (const { service, addresses, layer2Reason, bgpReason, reason } of decideAlone(question, way).services) {
      const code = way === "l2" ? layer2Reason : bgpReason;
      if (addresses.length === 0 || code === null || reason === null) continue;
      const group = grouped.get(code) ?? new Grouped();
      grouped.set(code, group);
      group.add(reason, `${service} (${addresses.join(", ")})`);
    }
    for (const [code, group] of grouped) {
      findings.push(
        ...group.map((reason, services) => {
          const why = `this node does not announce it ${way === "l2" ? "in layer 2" : "by BGP"}`;
          const status = statusOf(code, question.alone);
          return { check, status, what: `${services}: ${reason}`, why, fix: fixes[code] ?? "" };
        }),
      );
    }
  }
  const silent = decideAlone(question).services.filter(
    ({ addresses, layer2Node, layer2Reason, bgpReason, bgpPeers }) => {
      const isAsked = layer2Node !== null || layer2Reason !== null || bgpReason !== null || bgpPeers.length > 0;
      return addresses.length > 0 && !isAsked;
    },
  );
  const unasked = new Grouped();
  for (const { service, reason } of silent) unasked.add(reason ?? "", service);
  findings.push(
    ...unasked.map((reason, services): Finding => {
      const fix = "add an L2Advertisement or a BGPAdvertisement for the pool";
      return { check, status: "error", what: `${services}: ${reason}`, why: "no node announces it", fix };
    }),
  );
  if (findings.length > 0) return findings;
  const reserve = question.links === null ? ", as far as can be said without its interfaces" : "";
  return [ok(check, `this node can announce every service that has an address${reserve}`)];
}

/** Where other nodes can announce, this one need not. */
function statusOf(code: Code, alone: boolean): Status {
  if (everywhere.has(code)) return "error";
  if (passing.has(code)) return "warning";
  return alone ? "error" : "warning";
}

/** Services by what is said of them; of many the first few are named. */
class Grouped {
  static readonly #named = 3;
  readonly #services = new Map<string, string[]>();

  add(text: string, service: string): void {
    const services = this.#services.get(text) ?? [];
    this.#services.set(text, services);
    services.push(service);
  }

  map<T>(make: (text: string, services: string) => T): readonly T[] {
    return [...this.#services].map(([text, services]) => {
      const more = services.length - Grouped.#named;
      const named = services.slice(0, Grouped.#named).join(", ");
      return make(text, more > 0 ? `${named} and ${more} more` : named);
    });
  }
}
