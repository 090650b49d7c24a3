// SPDX-License-Identifier: Apache-2.0
// The composition root of announcing: resources become addresses, addresses and who is alive become a decision, and the decision
// is carried out by layer 2 and BGP. Owns what it starts and stops it. Where the resources come from is its owner's business.

import {
  announceDefaults,
  bgpPeerConfig,
  createBgpSpeaker,
  createBgpTransport,
  decide,
  Digests,
  type AnnounceConfig,
  type BgpSpeaker,
  type Decision,
  type Layer2Announcement,
  type Member,
} from "../../announce/index.ts";
import { CliError, exitCodes } from "../../cli/index.ts";
import type { Cancel, Clock, Random } from "../../core/index.ts";
import type { Problem, Resource } from "../../model/index.ts";
import type { MetricsRegistry, Readiness, RootLogger } from "../../telemetry/index.ts";
import type { Sample } from "../../telemetry/port.ts";
import type { AddressHolder } from "./address-holder.ts";
import type { SpeakerOptions } from "./announce-options.ts";
import { announcedSamples, configSamples, poolSamples } from "./announce-samples.ts";
import { AnnouncingConfig, concernsAnnouncing, type Announcing } from "./announcing-config.ts";
import { mergeInterfaces } from "./announcements.ts";
import { createGroup, type Group } from "./group.ts";
import { LocalNetwork } from "./local-network.ts";
import { nodeAddresses } from "./node-addresses.ts";

export interface AnnouncerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  /** Who makes announced addresses reachable here; its owner ends it. null = somebody else's matter. */
  readonly holder: AddressHolder | null;
}

/** All that is known, for who shows it. */
export interface AnnouncerState {
  readonly announcing: Announcing | null;
  readonly decision: Decision | null;
  readonly members: readonly Member[];
  readonly problems: readonly Problem[];
  readonly stale: boolean;
  readonly layer2Failure: string | null;
}

const stopWithinMs = 2_000;
const nothing: ReadonlyMap<string, string> = new Map();

export class Announcer {
  readonly #deps: AnnouncerDeps;
  readonly #options: SpeakerOptions;
  readonly #settings: AnnouncingConfig;
  readonly #network: LocalNetwork;
  readonly #group: Group;
  readonly #bgp: BgpSpeaker;
  readonly #digests = new Digests();
  #readProblems: readonly Problem[] = [];
  #announcing: Announcing | null = null;
  #decision: Decision | null = null;
  /** The one in force: the newest, but for the moments in which its addresses are made reachable. */
  #carriedOut: Decision | null = null;
  #layer2Failure: string | null = null;
  /** Addresses that a node other than this one was seen to announce. */
  #foreign: ReadonlySet<string> = new Set();
  #announced: readonly string[] = [];
  #counts = { updates: 0, failures: 0 };
  #cancelDecision: Cancel | null = null;
  #readiness: Readiness = { state: "INITIALIZING", reason: "it is not decided yet who announces what" };
  #stopped: Promise<void> | null = null;

  constructor(deps: AnnouncerDeps, options: SpeakerOptions) {
    const { clock, random, logger } = deps;
    this.#deps = deps;
    this.#options = options;
    this.#settings = new AnnouncingConfig(options);
    const onChange = (): void => this.#decideSoon();
    this.#group = createGroup({ clock, random, logger, onChange }, options);
    const onLinks = (): void => {
      this.#group.setLinks(this.#network.links);
      this.#decideSoon();
    };
    this.#network = new LocalNetwork({ clock, random, logger, onLinks }, options);
    this.#bgp = createBgpSpeaker(
      { clock, random, logger: logger.child("bgp"), transport: createBgpTransport(), addresses: nodeAddresses },
      { ...announceDefaults.bgp, node: options.node, listen: options.bgpListen },
    );
  }

  /** Of the files, for who shows them and for whether what is in force is what they say; before `take`. */
  takeProblems(problems: readonly Problem[]): void {
    this.#readProblems = problems.filter(concernsAnnouncing);
  }

  /** All resources in force from now on; first before `start`. Says what of them does not fit together. */
  take(resources: readonly Resource[]): void {
    this.#announcing = this.#settings.take(resources);
    this.#counts.updates++;
    if (this.#isStale) this.#counts.failures++;
    this.#decideSoon();
  }

  /** Of what concerns announcing: those that were taken, and what does not fit together. */
  problems(): readonly Problem[] {
    return [...this.#readProblems, ...this.linkProblems];
  }

  /** What does not fit together. */
  get linkProblems(): readonly Problem[] {
    return this.#announcing?.problems ?? [];
  }

  /** Announces when it resolves. Rejects with a CliError that says what to do, and leaves nothing running then. */
  async start(): Promise<void> {
    this.#deps.registry.addSource(() => this.#samples());
    try {
      this.#openNetwork();
      if (this.#layer2Failure !== null) throw noLayer2(this.#layer2Failure);
      this.#tellOthers();
      await this.#group.start();
      this.#readiness = { state: "LIVE", reason: "" };
      await this.#decide();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  readiness(): Readiness {
    return this.#readiness;
  }

  state(): AnnouncerState {
    return {
      announcing: this.#announcing,
      decision: this.#decision,
      members: this.#group.members(),
      problems: this.problems(),
      stale: this.#isStale,
      layer2Failure: this.#layer2Failure,
    };
  }

  get network(): Pick<LocalNetwork, "status" | "links"> {
    return this.#network;
  }

  get bgp(): Pick<BgpSpeaker, "status" | "ports"> {
    return this.#bgp;
  }

  get group(): Pick<Group, "splitBrains" | "nameCollisions" | "reloadKeys"> {
    return this.#group;
  }

  /**
   * Hands over: says goodbye while it still answers, so that nobody waits for the next node, and withdraws its routes.
   * `keepRoutes`: peers with graceful restart keep them, because we come back. Bounded. Addresses stay reachable here.
   */
  async stopGracefully(keepRoutes: boolean): Promise<void> {
    this.#readiness = { state: "DRAINING", reason: "stopping: others take over" };
    this.#cancelDecision?.();
    this.#network.handOver();
    const { promise: tooLate, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(stopWithinMs, resolve);
    await Promise.race([Promise.all([this.#group.leave(), this.#bgp.stop(keepRoutes)]), tooLate]);
    cancel();
    await this.stop();
  }

  /** Stops everything at once. Harmless when it is stopped already. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#readiness = { state: "DRAINING", reason: "stopping" };
    this.#cancelDecision?.();
    this.#group.stop();
    await this.#network.stop();
    await this.#bgp.stop(false);
  }

  get #isStale(): boolean {
    return this.#announcing?.stale === true || this.#readProblems.some(({ severity }) => severity === "error");
  }

  /** Changes come in flocks: a decision takes in all of a turn of the event loop. */
  #decideSoon(): void {
    if (this.#readiness.state !== "LIVE") return;
    this.#cancelDecision ??= this.#deps.clock.after(0, () => {
      this.#cancelDecision = null;
      this.#openNetwork();
      void this.#decide();
    });
  }

  /** Where an L2Advertisement asks for it. */
  #openNetwork(): void {
    if (this.#network.isOpen || this.#announcing === null) return;
    const failure = this.#announcing.config.l2.length === 0 ? null : this.#network.open();
    if (failure !== null && failure !== this.#layer2Failure && this.#readiness.state === "LIVE") {
      this.#deps.logger.error("layer 2 is asked for and cannot be had", { reason: failure });
    }
    this.#layer2Failure = failure;
    if (this.#network.isOpen) this.#group.setLinks(this.#network.links);
  }

  /** What the holder can serve is other than it was. */
  reconsider(): void {
    this.#decideSoon();
  }

  /** Addresses that may be ours and are not announced, and why. */
  get unserved(): ReadonlyMap<string, string> {
    return this.#deps.holder?.unserved ?? nothing;
  }

  /** Resolves once the decision is carried out, or a newer one is there. */
  async #decide(): Promise<void> {
    const announcing = this.#announcing;
    if (announcing === null) return;
    const { config, allocations } = announcing;
    this.#tellOthers();
    const members = this.#group.members();
    const me = this.#options.node;
    const { unserved } = this;
    const withheld = new Set(unserved.keys());
    const input = { config, allocations: allocations.services, me, members, offSubnet: false, withheld };
    const decision = decide(input, this.#digests);
    this.#decision = decision;
    this.#rememberForeign(members);
    const addresses = addressesOf(decision).difference(withheld);
    // Whoever hears of an address may connect to it at once.
    const held = this.#deps.holder?.hold(addresses) ?? null;
    if (held !== null) await held;
    if (this.#decision !== decision || this.#readiness.state !== "LIVE") return;
    // Some of them cannot be served, as it turns out: somebody else may have them.
    if (this.unserved !== unserved) return await this.#decide();
    this.#carryOut(config, decision);
    this.#deps.holder?.keepOnly(addresses);
  }

  #carryOut(config: AnnounceConfig, decision: Decision): void {
    this.#network.set(mergeInterfaces(decision.layer2).map((each) => this.#withProbe(each)));
    this.#announced = [...new Set(decision.layer2.map(({ ip }) => ip))];
    this.#tellOthers();
    const peers = config.peers.filter(({ name }) => decision.bgp.has(name));
    this.#bgp.setPeers(peers.map((peer) => bgpPeerConfig(peer, this.#options.bgpPassive)));
    this.#bgp.setRoutes(decision.bgp);
    this.#logChanges(this.#carriedOut, decision);
    this.#carriedOut = decision;
  }

  #tellOthers(): void {
    const announcing = this.#announcing;
    const reach = announcing === null ? null : this.#network.reach(announcing.config);
    this.#group.set({
      ready: this.#network.isOpen,
      reach,
      announced: this.#announced,
      withheld: [...this.unserved.keys()],
    });
  }

  /** Of addresses that are in use: who takes over from another node must not wait to see whether somebody answers. */
  #rememberForeign(members: readonly Member[]): void {
    const addresses = new Set(this.#announcing?.allocations.services.flatMap((each) => each.addresses));
    const others = members.filter(({ node }) => node !== this.#options.node);
    const seen = new Set(others.flatMap(({ announced }) => [...announced]));
    this.#foreign = this.#foreign.union(seen).intersection(addresses);
  }

  #withProbe(announcement: Layer2Announcement): Layer2Announcement {
    return { ...announcement, probe: this.#options.probe && !this.#foreign.has(announcement.ip) };
  }

  /** That another node announces a service is worth a line when it moves there, and else a detail. */
  #logChanges(before: Decision | null, { services }: Decision): void {
    const { logger } = this.#deps;
    const known = new Map(before?.services.map((service) => [service.service, service]));
    for (const { service, addresses, layer2Node, bgpPeers, reason } of services) {
      const last = known.get(service);
      const isSame =
        last?.reason === reason && last.layer2Node === layer2Node && last.bgpPeers.join() === bgpPeers.join();
      if (isSame && last.addresses.join() === addresses.join()) continue;
      const fields = { service, addresses: addresses.join(",") };
      const lost = last?.addresses.filter((address) => !addresses.includes(address)) ?? [];
      if (lost.length > 0 && addresses.length > 0) {
        logger.warning("service has another address; to keep one, name it in metallb.io/loadBalancerIPs", {
          ...fields,
          before: last?.addresses.join(","),
        });
      }
      if (reason === null) {
        const isLayer2 = layer2Node === this.#options.node;
        logger.info("service is announced", { ...fields, layer2: isLayer2, bgp_peers: bgpPeers.join(",") });
      } else if (layer2Node === null || last?.reason === null) {
        logger.info("service is not announced from here", { ...fields, reason, by: layer2Node });
      } else {
        logger.debug("service is announced elsewhere", { ...fields, by: layer2Node });
      }
    }
  }

  #samples(): readonly Sample[] {
    const announcing = this.#announcing;
    const decision = this.#decision;
    const config = { ...this.#counts, loaded: announcing !== null, stale: this.#isStale };
    return [
      ...configSamples(config),
      ...(announcing === null ? [] : poolSamples(announcing.allocations)),
      ...(decision === null ? [] : announcedSamples(this.#options.node, decision, this.unserved)),
      ...this.#network.samples(),
      ...this.#bgp.samples(),
      ...this.#group.samples(),
    ];
  }
}

/** Everything that reaches this node because of it. */
function addressesOf({ layer2, services }: Decision): ReadonlySet<string> {
  const byBgp = services.flatMap(({ addresses, bgpPeers }) => (bgpPeers.length > 0 ? addresses : []));
  return new Set([...layer2.map(({ ip }) => ip), ...byBgp]);
}

function noLayer2(reason: string): CliError {
  const hint = "Announcing by BGP alone needs neither: leave the L2Advertisements out.";
  return new CliError(exitCodes.failure, `an L2Advertisement is there, but ${reason}`, hint);
}
