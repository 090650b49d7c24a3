// SPDX-License-Identifier: Apache-2.0
// Who announces which address by layer 2: one node per address, of those that can. Pure.

import { ip } from "../core/index.ts";
import type { IPAddressPool, L2Advertisement } from "../model/index.ts";
import type { Reason } from "./decide-reasons.ts";
import { addressKeys } from "./election/address-keys.ts";
import { elect, type Candidate, type Digests } from "./election/election.ts";
import { ReachMap } from "./election/reach.ts";
import type { AnnounceConfig, AnnouncedService, NodeInfo } from "./link/types.ts";
import type { Member } from "./membership/member.ts";
import { matchesAny, matchesSelector, selectsPool } from "./selectors.ts";

type Ip = NonNullable<ReturnType<typeof ip.parse>>;

/** A service that has addresses. */
export interface AddressedService {
  readonly spec: AnnouncedService;
  readonly addresses: readonly string[];
  readonly pool: IPAddressPool;
}

export interface Layer2Announcement {
  /** `namespace/name`. */
  readonly service: string;
  readonly ip: string;
  /** Ascending; empty = all. */
  readonly interfaces: readonly string[];
}

export interface Layer2Verdict {
  /** Who announces the first of its addresses that anybody announces; null = nobody does. */
  readonly node: string | null;
  /** Why this node announces none of them; null = it does, or no L2Advertisement is about the pool. */
  readonly reason: Reason | null;
}

export interface Layer2Options {
  readonly config: Pick<AnnounceConfig, "l2">;
  readonly me: string;
  readonly members: readonly Member[];
  readonly nodeOf: (name: string) => NodeInfo;
  readonly digests: Digests;
  /** Nodes without an address in the subnet may announce too. */
  readonly offSubnet: boolean;
}

/** What the advertisements of a service allow on one node. */
interface Allowance {
  /** null = all. */
  readonly interfaces: ReadonlySet<string> | null;
  /** How much the node is preferred. */
  readonly score: number;
}

interface Contender {
  readonly info: NodeInfo;
  readonly member: Member;
  readonly reach: ReachMap;
}

interface Contest {
  readonly address: string;
  readonly parsed: Ip;
  readonly candidates: Map<string, Candidate>;
}

export interface Layer2Decision {
  readonly announcements: readonly Layer2Announcement[];
  /** In the order of the services. */
  readonly verdicts: readonly Layer2Verdict[];
}

export function decideLayer2(services: readonly AddressedService[], options: Layer2Options): Layer2Decision {
  const { digests, me } = options;
  const round = new Layer2Round(options);
  const keys = addressKeys(services.map(({ addresses }) => addresses));
  const contests = new Map<string, Contest>();
  const refusals = services.map((service) => round.enter(service, contests));
  const owners = new Map<string, string | null>();
  for (const { address, candidates } of contests.values()) {
    owners.set(address, elect([...candidates.values()], keys.get(address)!, digests));
  }
  const announcements: Layer2Announcement[] = [];
  const verdicts = services.map((service, index): Layer2Verdict => {
    const refused = refusals[index]!;
    if (refused.everywhere) return { node: null, reason: refused.reason };
    const elected = service.addresses.map((address) => owners.get(address) ?? null);
    const node = elected.find((owner) => owner !== null) ?? null;
    for (const [at, address] of service.addresses.entries()) {
      if (elected[at] !== me) continue;
      announcements.push({ service: service.spec.key, ip: address, interfaces: round.interfacesOf(service) });
    }
    return { node, reason: elected.includes(me) ? null : (refused.reason ?? "notOwner") };
  });
  return { announcements, verdicts };
}

/** `everywhere`: it is refused to all nodes alike. */
interface Refusal {
  readonly everywhere: boolean;
  readonly reason: Reason | null;
}

class Layer2Round {
  readonly #options: Layer2Options;
  readonly #contenders: readonly Contender[];
  readonly #byPool = new Map<string, readonly L2Advertisement[]>();
  readonly #matching = new Map<L2Advertisement, ReadonlySet<string>>();
  /** By the very list: services that match all advertisements of their pool share it. */
  readonly #allowances = new Map<readonly L2Advertisement[], Map<string, Allowance | null>>();

  constructor(options: Layer2Options) {
    this.#options = options;
    this.#contenders = options.members.map((member) => ({
      info: options.nodeOf(member.node),
      member,
      reach: new ReachMap(member.reach),
    }));
  }

  /** Adds who may announce the service to the contests for its addresses; the result is about this node. */
  enter(service: AddressedService, contests: Map<string, Contest>): Refusal {
    const { spec, pool } = service;
    const ofPool = this.#poolAdvertisements(pool);
    if (ofPool.length === 0) return { everywhere: true, reason: null };
    if (spec.serving !== null && !spec.serving.anywhere) return { everywhere: true, reason: "noEndpoints" };
    const advertisements = matchingService(ofPool, spec);
    if (advertisements.length === 0) return { everywhere: true, reason: "noMatchingAdvertisement" };
    // Services that share an address would be announced from different nodes.
    if (spec.sharingKey !== "" && advertisements.some(({ serviceSelectors }) => serviceSelectors.length > 0)) {
      return { everywhere: true, reason: "sharedIPWithServiceSelector" };
    }
    let mine: Reason | null = "notMember";
    for (const contender of this.#contenders) {
      const reason = this.#enterNode(service, advertisements, contender, contests);
      if (contender.info.name === this.#options.me) mine = reason;
    }
    return { everywhere: false, reason: mine };
  }

  /** On this node, for a service that it announces. */
  interfacesOf({ spec, pool }: AddressedService): readonly string[] {
    const advertisements = matchingService(this.#poolAdvertisements(pool), spec);
    const allowance = this.#allowance(advertisements, this.#options.nodeOf(this.#options.me));
    return [...(allowance?.interfaces ?? [])].toSorted();
  }

  #enterNode(
    { spec, addresses }: AddressedService,
    advertisements: readonly L2Advertisement[],
    { info, member, reach }: Contender,
    contests: Map<string, Contest>,
  ): Reason | null {
    const allowance = this.#allowance(advertisements, info);
    if (allowance === null) return "noMatchingAdvertisement";
    if (info.networkUnavailable) return "nodeNetworkUnavailable";
    if (info.excluded) return "nodeLabeledExcludeBalancers";
    if (!info.ready || !member.ready) return "nodeNotReady";
    if (spec.trafficPolicy === "Local" && spec.serving !== null && !spec.serving.nodes.has(info.name)) {
      return "noLocalEndpoints";
    }
    if (!reach.hasInterface(allowance.interfaces)) return "noInterface";
    let reason: Reason | null = "outsideSubnet";
    for (const address of addresses) {
      const contest = contestOf(contests, address);
      if (!this.#options.offSubnet && !reach.holds(contest.parsed, allowance.interfaces)) continue;
      if (member.withheld.has(address)) {
        reason &&= "notServed";
        continue;
      }
      reason = null;
      const holds = member.announced.has(address);
      const { score } = allowance;
      contest.candidates.set(info.name, { node: info.name, score, seasoned: member.seasoned, holds });
    }
    return reason;
  }

  #poolAdvertisements(pool: IPAddressPool): readonly L2Advertisement[] {
    let advertisements = this.#byPool.get(pool.name);
    if (advertisements === undefined) {
      advertisements = this.#options.config.l2.filter((advertisement) => selectsPool(advertisement, pool));
      this.#byPool.set(pool.name, advertisements);
    }
    return advertisements;
  }

  /** The union of what these allow on the node; null when none is for it. */
  #allowance(advertisements: readonly L2Advertisement[], { name, labels }: NodeInfo): Allowance | null {
    const byNode = this.#allowances.get(advertisements) ?? new Map<string, Allowance | null>();
    this.#allowances.set(advertisements, byNode);
    let allowance = byNode.get(name);
    if (allowance === undefined) {
      const matching = advertisements.filter((advertisement) => this.#nodesOf(advertisement).has(name));
      const isAnywhere = matching.some(({ interfaces }) => interfaces.length === 0);
      const interfaces = isAnywhere ? null : new Set(matching.flatMap((advertisement) => advertisement.interfaces));
      const preferred = matching
        .flatMap(({ preferredNodes }) => preferredNodes)
        .filter(({ preference }) => matchesSelector(preference, labels));
      const score = preferred.reduce((sum, { weight }) => sum + weight, 0);
      allowance = matching.length === 0 ? null : { interfaces, score };
      byNode.set(name, allowance);
    }
    return allowance;
  }

  #nodesOf(advertisement: L2Advertisement): ReadonlySet<string> {
    let names = this.#matching.get(advertisement);
    if (names === undefined) {
      const { me, members, nodeOf } = this.#options;
      const all = new Set([me, ...members.map(({ node }) => node)]);
      names = new Set([...all].filter((name) => matchesAny(advertisement.nodeSelectors, nodeOf(name).labels)));
      this.#matching.set(advertisement, names);
    }
    return names;
  }
}

function matchingService(advertisements: readonly L2Advertisement[], { labels }: AnnouncedService) {
  return advertisements.every(({ serviceSelectors }) => matchesAny(serviceSelectors, labels))
    ? advertisements
    : advertisements.filter(({ serviceSelectors }) => matchesAny(serviceSelectors, labels));
}

function contestOf(contests: Map<string, Contest>, address: string): Contest {
  let contest = contests.get(address);
  if (contest === undefined) {
    contest = { address, parsed: ip.parse(address)!, candidates: new Map() };
    contests.set(address, contest);
  }
  return contest;
}
