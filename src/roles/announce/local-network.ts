// SPDX-License-Identifier: Apache-2.0
// Layer 2 of this machine: its interfaces, the packet sockets and what is announced on them. Opened when it is needed, so that
// who announces by BGP alone needs no privilege.

import {
  announceDefaults,
  createLayer2,
  reachOf,
  type AnnounceConfig,
  type L2Status,
  type Layer2,
  type Layer2Announcement,
  type Reach,
} from "../../announce/index.ts";
import type { Clock, Random } from "../../core/index.ts";
import {
  arpHazards,
  openLibc,
  openPackets,
  watchLinks,
  type LinkInfo,
  type LinkWatch,
  type PacketPort,
} from "../../platform/index.ts";
import type { Logger, Sample } from "../../telemetry/port.ts";
import type { SpeakerOptions } from "./announce-options.ts";
import { announceableLinks } from "./announceable-links.ts";

export interface LocalNetworkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Interfaces or their addresses are others. */
  readonly onLinks: () => void;
}

type LocalNetworkOptions = Pick<SpeakerOptions, "interfaces" | "excludedInterfaces" | "bindVip" | "announceIntervalMs">;

export class LocalNetwork {
  readonly #deps: LocalNetworkDeps;
  readonly #options: LocalNetworkOptions;
  readonly #excluded: readonly string[];
  #watch: LinkWatch | null = null;
  #packets: PacketPort | null = null;
  #layer2: Layer2 | null = null;

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
    this.#watch = watchLinks(libc, clock, () => {
      this.#layer2?.setLinks(this.links);
      onLinks();
    });
    this.#layer2 = createLayer2(
      // The log and the counters have it already.
      { clock, random, logger: logger.child("layer2"), packets, onConflict: () => undefined },
      {
        ...announceDefaults.layer2,
        excludedInterfaces: this.#excluded,
        intervalMs: this.#options.announceIntervalMs,
      },
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
  }

  status(): readonly L2Status[] {
    return this.#layer2?.status() ?? [];
  }

  samples(): readonly Sample[] {
    return this.#layer2?.samples() ?? [];
  }

  /** Announces nothing more, and answers only until another node has announced an address. */
  handOver(): void {
    this.#layer2?.handOver();
  }

  /** Answers for nothing from here on. */
  async stop(): Promise<void> {
    await this.#layer2?.stop();
    this.#watch?.close();
    this.#packets?.close();
    this.#layer2 = null;
    this.#watch = null;
    this.#packets = null;
  }

  #warnOfHazards(): void {
    for (const hazard of arpHazards(this.links.map(({ name }) => name))) {
      this.#deps.logger.warning("this kernel may answer for addresses that another node announces", { hazard });
    }
  }
}
