// SPDX-License-Identifier: Apache-2.0
// How a demo shows its traffic: a table that changes in place on a terminal, a few lines now and then in a pipe, nothing
// when nobody wants to know.

import type { Terminal } from "../../cli/index.ts";
import type { Cancel, Clock } from "../../core/index.ts";
import type { RequestTotals } from "../../telemetry/index.ts";
import { LiveRegion, type LiveOutput } from "./live-region.ts";
import { trafficLine, trafficTableLines } from "./traffic-table.ts";
import { TrafficWindow, type TrafficKey, type TrafficRow } from "./traffic-window.ts";

export interface Display {
  /** A line of the log, to stderr, without disturbing the table. */
  log(line: string): void;
  start(source: TrafficSource): void;
  /** Gives the terminal back. Harmless when called twice or never started. */
  stop(): void;
}

export interface TrafficSource {
  readonly expected: readonly TrafficKey[];
  totals(): readonly RequestTotals[];
  /** A line below the table, or "". */
  note(): string;
}

export type DisplayMode = "live" | "lines" | "quiet";

export interface DisplayDeps {
  readonly terminal: Terminal;
  readonly output: LiveOutput;
  readonly clock: Clock;
}

const windowMs = 10_000;
const livePeriodMs = 1000;
const linesPeriodMs = 10_000;

export function createDisplay(mode: DisplayMode, deps: DisplayDeps): Display {
  return mode === "live" ? new LiveDisplay(deps) : new LineDisplay(deps, mode === "quiet");
}

class LiveDisplay implements Display {
  readonly #deps: DisplayDeps;
  readonly #region: LiveRegion;
  #cancel: Cancel = () => undefined;

  constructor(deps: DisplayDeps) {
    this.#deps = deps;
    this.#region = new LiveRegion(deps.output);
  }

  log(line: string): void {
    // On a terminal stderr is the same screen, so the table has to make room.
    this.#region.print(() => this.#deps.terminal.err(`${line}\n`));
  }

  start(source: TrafficSource): void {
    const { clock, terminal } = this.#deps;
    const window = new TrafficWindow(windowMs, source.expected);
    const show = (): void => {
      const { width } = this.#region;
      const rows = window.add(clock.nowMs(), source.totals());
      const note = `last ${windowMs / 1000} s${source.note()}`.slice(0, width);
      const table = trafficTableLines(rows, width, (tone, text) => terminal.tone(tone, text));
      this.#region.draw([...table, terminal.tone("dim", note)]);
    };
    show();
    this.#cancel = clock.every(livePeriodMs, show);
  }

  stop(): void {
    this.#cancel();
    this.#region.end();
  }
}

class LineDisplay implements Display {
  readonly #deps: DisplayDeps;
  readonly #quiet: boolean;
  #cancel: Cancel = () => undefined;

  constructor(deps: DisplayDeps, quiet: boolean) {
    this.#deps = deps;
    this.#quiet = quiet;
  }

  log(line: string): void {
    this.#deps.terminal.err(`${line}\n`);
  }

  start(source: TrafficSource): void {
    if (this.#quiet) return;
    const { clock, terminal } = this.#deps;
    const window = new TrafficWindow(linesPeriodMs, source.expected);
    window.add(clock.nowMs(), source.totals());
    this.#cancel = clock.every(linesPeriodMs, () => {
      const rows = window.add(clock.nowMs(), source.totals());
      terminal.out(
        rows
          .filter(isActive)
          .map((row) => `${trafficLine(row)}\n`)
          .join(""),
      );
    });
  }

  stop(): void {
    this.#cancel();
  }
}

function isActive(row: TrafficRow): boolean {
  return row.requestsPerSecond > 0;
}
