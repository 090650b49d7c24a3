// SPDX-License-Identifier: Apache-2.0
// The addresses of a gateway: those of the Services that select it, announced from here and held while they are ours, or of the
// loopback where that cannot be. Owns the announcer. Says where listeners belong; who opens them is told when that changes.

import { isDeepStrictEqual } from "node:util";

import type { Allocation } from "../../announce/index.ts";
import { CliError, exitCodes } from "../../cli/index.ts";
import type { Clock, Random } from "../../core/index.ts";
import { formatRef, type Problem, type ProxyIdentity, type Resource, type RoutingSnapshot } from "../../model/index.ts";
import { openLibc } from "../../platform/index.ts";
import type { MetricsRegistry, RootLogger } from "../../telemetry/index.ts";
import type { ListenerStatus } from "../../telemetry/port.ts";
import type { AddressHolder } from "../announce/address-holder.ts";
import type { SpeakerOptions } from "../announce/announce-options.ts";
import { announcingDump, liveVips } from "../announce/announcer-views.ts";
import { Announcer } from "../announce/announcer.ts";
import { BoundAddresses } from "../announce/bound-addresses.ts";
import type { LiveVips } from "../announce/live-vips.ts";
import { capability, lacks, readCapabilities } from "../capabilities.ts";
import { frontServices, type FrontServices } from "./front-services.ts";
import { localVips, loopbackAddresses } from "./loopback.ts";
import { placeListeners } from "./place-listeners.ts";
import { unservedAddresses } from "./unserved-addresses.ts";

export interface GatewayAddressesOptions {
  readonly speaker: SpeakerOptions;
  /** `always`: it is an error when that cannot be. Otherwise addresses are of the loopback then. */
  readonly announce: "always" | "where possible" | "never";
}

export interface GatewayAddressesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: RootLogger;
  readonly registry: MetricsRegistry;
  /** Listeners belong elsewhere now; resolves when they are there. Must not reject. */
  readonly onMoved: () => Promise<void>;
}

export interface Placing {
  readonly identity: ProxyIdentity;
  /** Configured ports whose address is named otherwise. */
  readonly fixedPorts: ReadonlySet<number>;
  /** Loopback addresses are no better than the address that the command line names. */
  readonly keepsOwnBind: boolean;
}

export class GatewayAddresses implements AddressHolder {
  readonly #deps: GatewayAddressesDeps;
  readonly #options: GatewayAddressesOptions;
  readonly #placing: Placing;
  readonly #announcer: Announcer;
  readonly #bound: BoundAddresses;
  #fronts: FrontServices = { services: [], problems: [] };
  #held: ReadonlySet<string> = new Set();
  #announced: ReadonlySet<string> = new Set();
  #unserved: ReadonlyMap<string, string> = new Map();
  /** Why addresses are of the loopback; null = they are announced, or it is not decided yet. */
  #localReason: string | null = null;
  #isAnnouncing = false;

  /** Throws a CliError when the keys of the heartbeats cannot be used. Nothing runs before `start`. */
  constructor(deps: GatewayAddressesDeps, options: GatewayAddressesOptions, placing: Placing) {
    const { clock, random, logger, registry } = deps;
    this.#deps = deps;
    this.#options = options;
    this.#placing = placing;
    this.#bound = new BoundAddresses(clock, logger, true);
    this.#announcer = new Announcer({ clock, random, logger, registry, holder: this }, options.speaker);
  }

  takeProblems(problems: readonly Problem[]): void {
    this.#announcer.takeProblems(problems);
  }

  /** All resources in force from now on; listeners are to be placed anew. */
  take(resources: readonly Resource[]): void {
    this.#announcer.take(resources);
    this.#fronts = frontServices(resources, this.#placing.identity, this.#options.speaker.loadBalancerClass);
  }

  /** Of pools, services and advertisements, and of what does not lead to this gateway. */
  problems(): readonly Problem[] {
    const { linkProblems } = this.#announcer;
    // Without --announce nobody said that the gateway should have an address.
    return this.#options.announce === "always" ? [...linkProblems, ...this.#fronts.problems] : linkProblems;
  }

  /** What to listen on now. */
  place(snapshot: RoutingSnapshot): RoutingSnapshot {
    const { fixedPorts, keepsOwnBind } = this.#placing;
    if (this.#localReason !== null && keepsOwnBind) return snapshot;
    const allocations = new Map(this.#allocations().map(({ service, addresses }) => [service, addresses]));
    const fronts = this.#fronts.services.map(({ namespace, name, ports }) => {
      return { ports, addresses: allocations.get(`${namespace}/${name}`) ?? [] };
    });
    const held = this.#localReason === null ? this.#held : new Set([...allocations.values()].flat());
    return placeListeners(snapshot, fronts, held, fixedPorts);
  }

  /** What became of the listeners of what was placed: an address whose port cannot be had here is not announced from here. */
  takeListeners({ listeners }: RoutingSnapshot, statuses: readonly ListenerStatus[]): void {
    const unserved = unservedAddresses(listeners, statuses, this.#held, this.#announced);
    if (isDeepStrictEqual(unserved, this.#unserved)) return;
    this.#unserved = unserved;
    this.#announcer.reconsider();
  }

  get unserved(): ReadonlyMap<string, string> {
    return this.#unserved;
  }

  /** After the first `take`. Listeners are where they belong when it resolves. Rejects with a CliError that says what to do. */
  async start(): Promise<void> {
    const { announce, speaker } = this.#options;
    const { logger } = this.#deps;
    const obstacle = this.#obstacle();
    if (obstacle !== null && announce !== "always") {
      this.#localReason = obstacle;
      const services = this.#fronts.services.map(formatRef).join(",");
      const what = "nothing is announced; addresses are of this machine's loopback";
      if (this.#allocations().length > 0) logger.info(what, { services, reason: obstacle });
      await this.#deps.onMoved();
      return;
    }
    if (obstacle !== null) throw cannotAnnounce(obstacle);
    this.#isAnnouncing = true;
    await this.#announcer.start();
    const services = this.#announcer.state().decision?.services.length;
    logger.info("announcing", { node: speaker.node, alone: speaker.heartbeats === null, services });
  }

  /** Gives its addresses to others, and serves those that still come here. */
  async withdraw(): Promise<void> {
    // Peers must not keep the routes: who comes by them would find nobody.
    if (this.#isAnnouncing) await this.#announcer.stopGracefully(false);
  }

  /** Harmless when it is stopped already. */
  async stop(): Promise<void> {
    if (this.#isAnnouncing) await this.#announcer.stop();
    this.#bound.close();
  }

  reloadKeys(): void {
    if (this.#isAnnouncing) this.#announcer.group.reloadKeys();
  }

  vips(): LiveVips {
    const { node } = this.#options.speaker;
    if (this.#localReason === null) return liveVips(this.#announcer, node);
    return localVips(node, this.#allocations(), this.#localReason);
  }

  /** Of the page /config_dump. */
  dump(): object {
    return announcingDump(this.#announcer);
  }

  hold(addresses: ReadonlySet<string>): Promise<void> | null {
    const wanted = this.#held.union(this.#ofFronts(addresses));
    if (wanted.size === this.#held.size) return null;
    this.#held = wanted;
    this.#bound.hold(wanted);
    return this.#deps.onMoved();
  }

  keepOnly(addresses: ReadonlySet<string>): void {
    this.#announced = addresses;
    const wanted = this.#held.intersection(addresses.union(new Set(this.#unserved.keys())));
    if (wanted.size === this.#held.size) return;
    this.#held = wanted;
    this.#bound.keepOnly(wanted);
    void this.#deps.onMoved();
  }

  /** Those of other services are somebody else's to serve. */
  #ofFronts(addresses: ReadonlySet<string>): ReadonlySet<string> {
    return addresses.intersection(new Set(this.#allocations().flatMap((each) => each.addresses)));
  }

  /** Of the Services in front of this gateway. */
  #allocations(): readonly Allocation[] {
    const announcing = this.#announcer.state().announcing;
    if (announcing === null || (this.#localReason !== null && this.#placing.keepsOwnBind)) return [];
    const keys = new Set(this.#fronts.services.map(({ namespace, name }) => `${namespace}/${name}`));
    const isFront = (key: string): boolean => keys.has(key);
    if (this.#localReason !== null) {
      return loopbackAddresses(announcing.config.services.filter(({ key }) => isFront(key)));
    }
    return announcing.allocations.services.filter(({ service }) => isFront(service));
  }

  /** Why nothing can be announced from here; null = it can. */
  #obstacle(): string | null {
    const { announce } = this.#options;
    if (announce === "never") return "--no-announce";
    const { pools, l2, bgp } = this.#announcer.state().announcing!.config;
    if (announce !== "always") {
      if (pools.length === 0) return "there is no IPAddressPool";
      if (l2.length + bgp.length === 0) return "there is neither an L2Advertisement nor a BGPAdvertisement";
    }
    const libc = openLibc();
    if (typeof libc === "string") return libc;
    const capabilities = readCapabilities();
    if (lacks(capabilities, capability.netAdmin)) return "CAP_NET_ADMIN is missing";
    return l2.length > 0 && lacks(capabilities, capability.netRaw) ? "CAP_NET_RAW is missing" : null;
  }
}

function cannotAnnounce(reason: string): CliError {
  const message = `--announce cannot put addresses on this machine: ${reason}`;
  const hint =
    "It needs CAP_NET_ADMIN and, for layer 2, CAP_NET_RAW: run as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in a systemd unit.";
  return new CliError(exitCodes.failure, message, hint);
}
