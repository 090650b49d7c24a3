// SPDX-License-Identifier: Apache-2.0
// Announces addresses in layer 2 from this node: answers who asks, tells who has not asked, and notices who else claims them.

import { ip, type Clock, type Random } from "../../core/index.ts";
import type { LinkInfo, PacketPort } from "../../platform/index.ts";
import type { Logger, Sample, SampleSource } from "../../telemetry/port.ts";
import { Announcer } from "./announcer.ts";
import { Conflicts, type Layer2Conflict } from "./conflicts.ts";
import { ReplyLimit } from "./reply-limit.ts";
import { Responder } from "./responder.ts";
import { layer2Samples } from "./samples.ts";
import { defaultExcludedInterfaces, usableLinks, type UsableLink } from "./usable-links.ts";
import { Vip, VipTable, type VipPhase } from "./vip.ts";

export interface Layer2Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Stays its opener's, who closes it after `stop`. */
  readonly packets: PacketPort;
  /** At most once in ten seconds for an address. */
  readonly onConflict: (conflict: Layer2Conflict) => void;
}

export interface Layer2Options {
  /** Patterns of names of interfaces that nothing is announced on. */
  readonly excludedInterfaces: readonly string[];
  /** Between announcements after those of the first five seconds; 0 = none, as MetalLB. */
  readonly intervalMs: number;
  /**
   * Probes before the first announcement of an address that `set` asks for, and the time between them and after the last. RFC
   * 5227 sends three, 1–2 s apart; hosts answer within milliseconds, and a new address should not take seven seconds.
   */
  readonly probes: number;
  readonly probeIntervalMs: number;
  /** How long at most an address that somebody else has is left alone before it is probed again; at first it is a second. */
  readonly conflictRetryMs: number;
  /** Whether to announce once more, half a second after somebody else claimed an address; at most every ten seconds. */
  readonly defend: boolean;
}

export const defaultLayer2Options: Layer2Options = {
  excludedInterfaces: defaultExcludedInterfaces,
  intervalMs: 0,
  probes: 3,
  probeIntervalMs: 300,
  conflictRetryMs: 30_000,
  defend: true,
};

/** What to announce. */
export interface Layer2Announcement {
  /** An address that `core/ip.ts` can parse. */
  readonly ip: string;
  /** Names; empty = all. */
  readonly interfaces: readonly string[];
  /**
   * Whether to ask first if anybody has it: for an address that no node of ours had. Not when taking over from one, whose
   * clients must not wait, and who may still answer. Only looked at when the address is new to `set`.
   */
  readonly probe?: boolean;
}

export interface L2Status {
  readonly ip: string;
  readonly phase: VipPhase;
  /** Names of the interfaces it is announced on now. Empty = nowhere: none is up, or not yet. */
  readonly interfaces: readonly string[];
  /** Who else claimed it last. */
  readonly foreign: { readonly mac: string; readonly interface: string } | null;
}

export interface Layer2 {
  /** The interfaces of this machine, first and whenever they change. */
  setLinks(links: readonly LinkInfo[]): void;
  /**
   * All addresses to announce from now on; one that is there twice is announced on the interfaces of both. New ones are announced before this returns, as far as one turn allows; those left
   * out are not answered for any more. Texts that are no address throw a RangeError.
   */
  set(announcements: readonly Layer2Announcement[]): void;
  status(): readonly L2Status[];
  readonly samples: SampleSource;
  /**
   * Announces nothing from here on, and answers for each address until another host claims it: the node that takes over must not
   * be contradicted, and until it is there, whoever asks shall not wait.
   */
  handOver(): void;
  /** Answers nothing and sends nothing from here on. */
  stop(): Promise<void>;
}

/** Receives from `deps.packets` at once. Throws the system's error, and a SyntaxError for a pattern that is none. */
export function createLayer2(deps: Layer2Deps, options: Layer2Options = defaultLayer2Options): Layer2 {
  return new Layer2Runtime(deps, options);
}

class Layer2Runtime implements Layer2 {
  readonly samples: SampleSource = () => this.#samples();
  readonly #deps: Layer2Deps;
  readonly #excluded: readonly RegExp[];
  readonly #announcer: Announcer;
  readonly #conflicts: Conflicts;
  readonly #responder: Responder;
  #vips = new Map<string, Vip>();
  #links: ReadonlyMap<number, UsableLink> = new Map();
  /** IPv6 groups that were joined: `link group`. */
  readonly #groups = new Map<string, { readonly link: number; readonly group: string }>();
  #handsOver = false;
  #stopped = false;

  constructor(deps: Layer2Deps, options: Layer2Options) {
    const { clock, random, logger, packets, onConflict } = deps;
    this.#deps = deps;
    this.#excluded = options.excludedInterfaces.map((pattern) => new RegExp(pattern));
    this.#announcer = new Announcer(clock, random, packets, options);
    const defend = (delayMs: number, vip: Vip, link: UsableLink): void =>
      this.#announcer.announceAfter(delayMs, vip, link);
    this.#conflicts = new Conflicts({ clock, logger, defend, onConflict }, options.defend, options.conflictRetryMs);
    const limit = new ReplyLimit(Math.floor(random() * 0x1_0000_0000));
    this.#responder = new Responder({ clock, packets, conflicts: this.#conflicts, limit });
    packets.start((frame, length, link) => this.#responder.receive(frame, length, link));
  }

  setLinks(links: readonly LinkInfo[]): void {
    if (this.#stopped) return;
    this.#links = usableLinks(links, this.#excluded);
    this.#responder.setLinks(this.#links);
    this.#apply();
  }

  set(announcements: readonly Layer2Announcement[]): void {
    if (this.#stopped) return;
    const vips = new Map<string, Vip>();
    for (const [key, wanted] of merge(announcements)) {
      const known = this.#vips.get(key);
      const vip = known ?? new Vip(wanted.address);
      vip.interfaces = wanted.interfaces;
      if (known === undefined && wanted.probe) this.#announcer.probe(vip);
      vips.set(key, vip);
    }
    this.#vips = vips;
    this.#responder.vips = new VipTable(vips.values());
    this.#deps.packets.setAddresses([...vips.values()]);
    this.#apply();
  }

  status(): readonly L2Status[] {
    return [...this.#vips.values()].map((vip) => ({
      ip: vip.ip,
      phase: vip.phase,
      interfaces: [...vip.rounds.values()].map(({ link }) => link.name),
      foreign: vip.foreign,
    }));
  }

  handOver(): void {
    this.#handsOver = true;
    this.#announcer.stop();
    this.#conflicts.yield();
  }

  stop(): Promise<void> {
    this.#announcer.stop();
    this.#responder.vips = new VipTable([]);
    this.#vips.clear();
    this.#joinGroups();
    if (!this.#stopped) this.#deps.packets.setAddresses([]);
    this.#stopped = true;
    return Promise.resolve();
  }

  /** Groups first: who hears of an address may ask for it at once. */
  #apply(): void {
    this.#joinGroups();
    if (!this.#handsOver) this.#announcer.update([...this.#vips.values()], this.#links);
  }

  /** Joins what is missing, also what could not be joined before, and leaves what no address needs. */
  #joinGroups(): void {
    const wanted = new Map<string, { readonly link: number; readonly group: string }>();
    for (const vip of this.#vips.values()) {
      if (vip.family === 4) continue;
      for (const link of this.#links.values()) {
        if (vip.covers(link)) wanted.set(`${link.index} ${vip.group}`, { link: link.index, group: vip.group });
      }
    }
    for (const [key, { link, group }] of this.#groups) {
      if (wanted.has(key)) continue;
      this.#deps.packets.leave(link, group);
      this.#groups.delete(key);
    }
    for (const [key, place] of wanted) {
      if (!this.#groups.has(key) && this.#deps.packets.join(place.link, place.group)) this.#groups.set(key, place);
    }
  }

  #samples(): readonly Sample[] {
    return layer2Samples([...this.#vips.values()], this.#responder, this.#deps.packets.counts());
  }
}

interface Wanted {
  readonly address: ip.Ip;
  readonly interfaces: ReadonlySet<string>;
  readonly probe: boolean;
}

/** By canonical text. Services that share an address share its interfaces. */
function merge(announcements: readonly Layer2Announcement[]): ReadonlyMap<string, Wanted> {
  const merged = new Map<string, Wanted>();
  for (const { ip: text, interfaces, probe = false } of announcements) {
    const address = ip.parse(text);
    if (address === null) throw new RangeError(`not an IP address: ${text}`);
    const key = ip.format(address);
    const other = merged.get(key);
    const isEverywhere = interfaces.length === 0 || other?.interfaces.size === 0;
    merged.set(key, {
      address,
      interfaces: new Set(isEverywhere ? [] : [...(other?.interfaces ?? []), ...interfaces]),
      probe: probe && other?.probe !== false,
    });
  }
  return merged;
}
