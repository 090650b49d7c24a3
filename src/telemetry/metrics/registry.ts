// SPDX-License-Identifier: Apache-2.0
// prom-client's registry with two additions: families whose numbers live elsewhere, and an exposition that is written in
// pieces. Ten thousand Istio series are some 600 MB of text, more than V8 allows in one string, and one piece would stop
// the event loop for seconds. Every line is still prom-client's.

import { setImmediate } from "node:timers/promises";

import type { Metric, Registry } from "prom-client";
import PromRegistry from "prom-client/lib/registry.js";

import type { Sample, SampleSource } from "../port.ts";

/** One line of the exposition. `sharedLabels` objects are formatted once and remembered as long as they live. */
export interface MetricValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
  /** `<family>_bucket` and the like; the family's name otherwise. */
  readonly metricName?: string;
}

/** A metric whose numbers are kept elsewhere and read at each scrape. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Values in blocks, each read at once: all lines of one histogram series agree, whatever is recorded in between. */
  blocks(): Iterable<readonly MetricValue[]>;
}

/** Values formatted between two turns of the event loop: about half a millisecond. */
const valuesPerPiece = 250;
const noLabels = {};

/** What prom-client's registry asks of a metric, and its one method missing from the published types. */
interface Printed {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly MetricValue[];
}

/** Owned by whoever creates it; there is no global one. Nothing to stop. */
export class MetricsRegistry extends PromRegistry {
  readonly #sources = new Set<SampleSource>();
  declare getMetricsAsString: (metric: { get(): Promise<Printed> }) => Promise<string>;

  /** Throws when the name is taken. */
  addFamily(family: MetricFamily): void {
    this.registerMetric(new FamilyMetric(family) as unknown as Metric);
  }

  /** Exposes what the source says at each scrape; returns what removes it again. */
  addSource(source: SampleSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }

  /** Sources are asked here, once per scrape, because the names they report may change from one to the next. */
  override getMetricsAsArray(): MetricObjects {
    return [...super.getMetricsAsArray(), ...([...this.#sampleFamilies()] as unknown as MetricObjects)];
  }

  /** The text of `metrics()` in pieces, leaving the event loop to others between them. */
  async *expose(): AsyncGenerator<string, void, undefined> {
    let separator = "";
    for (const metric of this.getMetricsAsArray() as unknown as readonly { get(): Promise<Printed> }[]) {
      yield separator;
      separator = "\n\n";
      if (metric instanceof FamilyMetric) yield* this.#exposeFamily(metric);
      else yield await this.getMetricsAsString(metric);
    }
    yield "\n";
  }

  async *#exposeFamily(metric: FamilyMetric): AsyncGenerator<string, void, undefined> {
    let head = "";
    for (const values of metric.pieces()) {
      const text = await this.getMetricsAsString({ get: () => Promise.resolve(metric.printed(values)) });
      if (head === "") {
        head = await this.getMetricsAsString({ get: () => Promise.resolve(metric.printed([])) });
        yield text;
      } else {
        // HELP and TYPE may stand only once.
        yield text.slice(head.length);
      }
      await setImmediate();
    }
  }

  *#sampleFamilies(): Generator<FamilyMetric> {
    const byName = Map.groupBy(
      [...this.#sources].flatMap((source) => source()),
      (sample) => sample.name,
    );
    for (const [name, samples] of byName) {
      const [first] = samples;
      if (first === undefined) continue;
      yield new FamilyMetric({ name, help: first.help, type: first.type, blocks: () => [samples.map(valueOfSample)] });
    }
  }
}

type MetricObjects = ReturnType<Registry["getMetricsAsArray"]>;

class FamilyMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly #family: MetricFamily;

  constructor(family: MetricFamily) {
    this.name = family.name;
    this.help = family.help;
    this.type = family.type;
    this.#family = family;
  }

  get(): Promise<Printed> {
    return Promise.resolve(this.printed([...this.#family.blocks()].flat()));
  }

  /** prom-client calls it from resetMetrics(); counters that others keep cannot be reset from here. */
  reset(): void {}

  printed(values: readonly MetricValue[]): Printed {
    return { name: this.name, help: this.help, type: this.type, values };
  }

  /** Whole blocks, joined to pieces of a useful size; at least one piece, so that HELP and TYPE are always there. */
  *pieces(): Generator<readonly MetricValue[]> {
    let piece: MetricValue[] = [];
    let first = true;
    for (const block of this.#family.blocks()) {
      piece.push(...block);
      if (piece.length < valuesPerPiece) continue;
      yield piece;
      piece = [];
      first = false;
    }
    if (first || piece.length > 0) yield piece;
  }
}

function valueOfSample(sample: Sample): MetricValue {
  return { labels: sample.labels, sharedLabels: noLabels, value: sample.value };
}
