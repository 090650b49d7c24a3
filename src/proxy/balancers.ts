// SPDX-License-Identifier: Apache-2.0
// Which endpoint gets the next attempt. Pure but for the chance it is given; one implementation per Istio
// `loadBalancer.simple` value.

import type { Random } from "../core/index.ts";
import type { LoadBalancer } from "../model/index.ts";
import type { Endpoint } from "./endpoint.ts";

/** Picks from a list that is not empty. State, where a method needs it, belongs to the instance. */
export interface Balancer {
  /** The candidates changed. */
  update(endpoints: readonly Endpoint[]): void;
  select(): Endpoint;
}

export function createBalancer(kind: LoadBalancer, random: Random): Balancer {
  switch (kind) {
    case "LEAST_REQUEST":
      return new LeastRequest(random);
    case "ROUND_ROBIN":
      return new RoundRobin();
    case "RANDOM":
      return new WeightedRandom(random);
  }
}

class WeightedRandom implements Balancer {
  protected endpoints: readonly Endpoint[] = [];
  readonly #random: Random;
  /** Running sums of weights; null when all weights are equal. */
  #cumulative: Float64Array | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    this.#cumulative = null;
    if (endpoints.every((endpoint) => endpoint.weight === endpoints[0]!.weight)) return;
    let sum = 0;
    this.#cumulative = Float64Array.from(endpoints, (endpoint) => (sum += endpoint.weight));
  }

  select(): Endpoint {
    return this.endpoints[this.sample()]!;
  }

  /** An index, with probability in proportion to its weight. */
  protected sample(): number {
    const cumulative = this.#cumulative;
    if (cumulative === null) return Math.floor(this.#random() * this.endpoints.length);
    const target = this.#random() * cumulative[cumulative.length - 1]!;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Power of two choices: of two sampled endpoints the one with fewer requests in flight (Envoy, equal weights). */
class LeastRequest extends WeightedRandom {
  override select(): Endpoint {
    const endpoints = this.endpoints;
    if (endpoints.length === 1) return endpoints[0]!;
    const first = endpoints[this.sample()]!;
    const second = endpoints[this.sample()]!;
    return second.requestsActive < first.requestsActive ? second : first;
  }
}

/** Smooth weighted round robin: over any `sum of weights` picks each endpoint gets exactly its weight. */
class RoundRobin implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #credit = new Float64Array(0);
  #equal = true;
  #next = 0;

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#equal = endpoints.every((endpoint) => endpoint.weight === endpoints[0]!.weight);
    this.#credit = new Float64Array(this.#equal ? 0 : endpoints.length);
    this.#next = endpoints.length === 0 ? 0 : this.#next % endpoints.length;
  }

  select(): Endpoint {
    const endpoints = this.#endpoints;
    if (this.#equal) {
      const endpoint = endpoints[this.#next]!;
      this.#next = this.#next + 1 === endpoints.length ? 0 : this.#next + 1;
      return endpoint;
    }
    let best = 0;
    let total = 0;
    for (let index = 0; index < endpoints.length; index++) {
      const weight = endpoints[index]!.weight;
      total += weight;
      this.#credit[index]! += weight;
      if (this.#credit[index]! > this.#credit[best]!) best = index;
    }
    this.#credit[best]! -= total;
    return endpoints[best]!;
  }
}
