// SPDX-License-Identifier: Apache-2.0
// Endpoints named by host: resolved again and again, expanded to one endpoint per address. What resolved last stays in
// force while a name server is down.

import { ipFamily, messageOf, type Cancel, type Clock } from "../core/index.ts";
import type { EndpointSpec } from "../model/index.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Cluster } from "./cluster.ts";

/** Answers with more addresses than this are cut. */
const maxAddressesPerName = 256;

export interface DnsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
}

/** Keeps the endpoints of one DNS cluster up to date until stopped. */
export class DnsResolution {
  readonly #deps: DnsDeps;
  readonly #cluster: Cluster;
  readonly #refreshMs: number;
  readonly #known = new Map<string, readonly string[]>();
  #specs: readonly EndpointSpec[] = [];
  #cancel: Cancel | null = null;
  #stopped = false;
  #round = 0;

  constructor(deps: DnsDeps, cluster: Cluster, refreshMs: number) {
    this.#deps = deps;
    this.#cluster = cluster;
    this.#refreshMs = refreshMs;
  }

  /** Takes over a new list. Names that were not there before are resolved at once, with all others. */
  update(specs: readonly EndpointSpec[]): void {
    const before = new Set(this.#specs.map((spec) => spec.address));
    const names = new Set(specs.map((spec) => spec.address));
    this.#specs = specs;
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    this.#apply();
    // Endpoints of other clusters come and go many times between two answers of a name server.
    if (!names.isSubsetOf(before)) void this.#refresh();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #refresh(): Promise<void> {
    this.#cancel?.();
    const round = ++this.#round;
    const names = [...new Set(this.#specs.map((spec) => spec.address))].filter((name) => ipFamily(name) === 0);
    const results = await Promise.allSettled(names.map((name) => this.#deps.resolveHost(name)));
    // A newer update has begun its own round.
    if (this.#stopped || round !== this.#round) return;
    for (const [index, result] of results.entries()) {
      const host = names[index]!;
      if (result.status === "fulfilled" && result.value.length > 0) {
        this.#known.set(host, result.value.slice(0, maxAddressesPerName));
      } else {
        const reason = result.status === "rejected" ? messageOf(result.reason) : "no addresses";
        this.#deps.logger.warning("host name does not resolve", { host, cluster: this.#cluster.spec.name, reason });
      }
    }
    this.#apply();
    this.#cancel = this.#deps.clock.after(this.#refreshMs, () => void this.#refresh());
  }

  #apply(): void {
    const expanded = this.#specs.flatMap((spec) => {
      const addresses = ipFamily(spec.address) === 0 ? (this.#known.get(spec.address) ?? []) : [spec.address];
      return addresses.map((address) => ({ ...spec, address }));
    });
    this.#cluster.resolutionFailed = this.#specs.length > 0 && expanded.length === 0;
    this.#cluster.updateEndpoints(expanded);
  }
}
