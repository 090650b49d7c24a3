// SPDX-License-Identifier: Apache-2.0
// Endpoints named by host: resolved again and again, expanded to one endpoint per address. What resolved last stays in
// force while a name server is down.

import { ipFamily, messageOf, type Cancel, type Clock } from "../core/index.ts";
import type { EndpointSpec } from "../model/index.ts";
import type { Logger } from "../telemetry/port.ts";
import type { Cluster } from "./cluster.ts";

/** Then a name counts as failed; resolvers that ask several servers several times take longer. */
const answerTimeoutMs = 10_000;
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
  /** Asked for and not answered. Each holds one of the few threads that Node resolves names with. */
  readonly #asked = new Map<string, Promise<readonly string[]>>();
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
    const answers = new Map<string, readonly string[]>();
    const failures = new Map(names.map((name) => [name, "no answer within 10 s"]));
    const asked = names.map((name) =>
      this.#ask(name).then(
        (addresses) => void (addresses.length > 0 ? answers.set(name, addresses) : failures.set(name, "no addresses")),
        (error: unknown) => void failures.set(name, messageOf(error)),
      ),
    );
    const { promise: timeout, resolve: onTimeout } = Promise.withResolvers<void>();
    this.#cancel = this.#deps.clock.after(answerTimeoutMs, onTimeout);
    await Promise.race([Promise.all(asked), timeout]);
    // A newer update has begun its own round.
    if (this.#stopped || round !== this.#round) return;
    this.#cancel();
    for (const name of names) {
      const addresses = answers.get(name);
      if (addresses === undefined) this.#onFailure(name, failures.get(name)!);
      else this.#known.set(name, addresses.slice(0, maxAddressesPerName));
    }
    this.#apply();
    this.#cancel = this.#deps.clock.after(this.#refreshMs, () => void this.#refresh());
  }

  /** A name that is being asked for is not asked for a second time. */
  #ask(name: string): Promise<readonly string[]> {
    let answer = this.#asked.get(name);
    if (answer === undefined) {
      answer = this.#deps.resolveHost(name).finally(() => this.#asked.delete(name));
      this.#asked.set(name, answer);
    }
    return answer;
  }

  #onFailure(host: string, reason: string): void {
    this.#cluster.resolutionFailures++;
    this.#deps.logger.warning("host name does not resolve", { host, cluster: this.#cluster.spec.name, reason });
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
