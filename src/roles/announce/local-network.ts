// SPDX-License-Identifier: Apache-2.0
// Layer 2 of this machine: its interfaces, the packet sockets and what is announced on them. Opened when it is needed, so that
// who announces by BGP alone needs no privilege.

import {
  announceDefaults,
  createLayer2,
  reachOf,
  usableLinks,
  type AnnounceConfig,
  type L2Status,
  type Layer2,
  type Layer2Announcement,
  type Reach,
} from "../../announce/index.ts";
import type { Cancel, Clock, Random } from "../../core/index.ts";
import {
  arpHazards,
  bindAddress,
  openLibc,
  openPackets,
  unbindAddress,
  watchLinks,
  type Libc,
  type LinkInfo,
  type LinkWatch,
  type PacketPort,
} from "../../platform/index.ts";
import type { Logger, Sample } from "../../telemetry/port.ts";
import type { AnnounceOptions } from "./announce-options.ts";

export interface LocalNetworkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Interfaces or their addresses are others. */
  readonly onLinks: () => void;
}

type LocalNetworkOptions = Pick<AnnounceOptions, "interfaces" | "excludedInterfaces" | "bindVip">;

/** `lo` is the first interface of every network namespace. */
const loopbackIndex = 1;
/** Bound addresses go by themselves when nobody renews them any more: a process that was killed keeps none. */
const bindSeconds = 5;
const renewMs = 2_000;

/** Of the interfaces of this machine those that layer 2 may use. Throws a SyntaxError for a pattern that is none. */
export function announceableLinks(
  links: readonly LinkInfo[],
  { interfaces, excludedInterfaces }: Pick<AnnounceOptions, "interfaces" | "excludedInterfaces">,
): readonly LinkInfo[] {
  const named = links.filter(({ name }) => interfaces.length === 0 || interfaces.includes(name));
  const excluded = excludedInterfaces ?? announceDefaults.layer2.excludedInterfaces;
  const usable = usableLinks(
    named,
    excluded.map((pattern) => new RegExp(pattern)),
  );
  return named.filter(({ index }) => usable.has(index));
}

export class LocalNetwork {
  readonly #deps: LocalNetworkDeps;
  readonly #options: LocalNetworkOptions;
  readonly #excluded: readonly string[];
  #libc: Libc | null = null;
  #watch: LinkWatch | null = null;
  #packets: PacketPort | null = null;
  #layer2: Layer2 | null = null;
  readonly #bound = new Set<string>();
  #bindFailure: string | null = null;
  #cancelRenewal: Cancel = () => undefined;

  constructor(deps: LocalNetworkDeps, options: LocalNetworkOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#excluded = options.excludedInterfaces ?? announceDefaults.layer2.excludedInterfaces;
  }

  /** Whether addresses can be announced. */
  get isOpen(): boolean {
    return this.#layer2 !== null;
  }

  /** Interfaces that layer 2 may use; empty before `open`. */
  get links(): readonly LinkInfo[] {
    return announceableLinks(this.#watch?.links ?? [], this.#options);
  }

  /** Opens all of it, or says in a line why not. Harmless when it is open. */
  open(): string | null {
    if (this.#layer2 !== null) return null;
    const { clock, random, logger, onLinks } = this.#deps;
    const packets = openPackets(clock);
    if (typeof packets === "string") return packets;
    const libc = openLibc();
    if (typeof libc === "string") {
      packets.close();
      return libc;
    }
    this.#packets = packets;
    this.#libc = libc;
    this.#watch = watchLinks(libc, clock, () => {
      this.#layer2?.setLinks(this.links);
      onLinks();
    });
    this.#layer2 = createLayer2(
      // The log and the counters have it already.
      { clock, random, logger: logger.child("layer2"), packets, onConflict: () => undefined },
      { ...announceDefaults.layer2, excludedInterfaces: this.#excluded },
    );
    this.#layer2.setLinks(this.links);
    if (this.#options.bindVip) this.#warnOfHazards();
    return null;
  }

  /** What others should know of our interfaces; null = we have no layer 2. */
  reach(config: AnnounceConfig): readonly Reach[] | null {
    return this.#layer2 === null ? null : reachOf(this.links, config);
  }

  /** Everything to announce from now on; nothing while it is not open. */
  set(announcements: readonly Layer2Announcement[]): void {
    this.#layer2?.set(announcements);
    if (this.#options.bindVip) this.#bind(new Set(announcements.map(({ ip }) => ip)));
  }

  status(): readonly L2Status[] {
    return this.#layer2?.status() ?? [];
  }

  samples(): readonly Sample[] {
    return this.#layer2?.samples() ?? [];
  }

  /** Answers for nothing from here on, and leaves no address behind. */
  async stop(): Promise<void> {
    await this.#layer2?.stop();
    this.#cancelRenewal();
    this.#bind(new Set());
    this.#watch?.close();
    this.#packets?.close();
    this.#layer2 = null;
    this.#watch = null;
    this.#packets = null;
  }

  #bind(wanted: ReadonlySet<string>): void {
    this.#cancelRenewal();
    for (const address of this.#bound.difference(wanted)) {
      this.#noteBinding(this.#libc && unbindAddress(this.#libc, loopbackIndex, address));
      this.#bound.delete(address);
    }
    for (const address of wanted) {
      this.#noteBinding(this.#libc && bindAddress(this.#libc, loopbackIndex, address, bindSeconds));
      this.#bound.add(address);
    }
    if (wanted.size > 0) this.#cancelRenewal = this.#deps.clock.after(renewMs, () => this.#bind(this.#bound));
  }

  /** Said once, not every two seconds. */
  #noteBinding(failure: string | null): void {
    if (failure !== null && failure !== this.#bindFailure) {
      this.#deps.logger.error("an address cannot be put on this machine", { error: failure });
    }
    this.#bindFailure = failure ?? this.#bindFailure;
  }

  #warnOfHazards(): void {
    for (const hazard of arpHazards(this.links.map(({ name }) => name))) {
      this.#deps.logger.warning("this kernel may answer for addresses that another node announces", { hazard });
    }
  }
}
