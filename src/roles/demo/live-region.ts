// SPDX-License-Identifier: Apache-2.0
// The bottom lines of a terminal, drawn again and again in place. Everything above them stays and scrolls as usual.

import { stripVTControlCharacters } from "node:util";

/** The part of a terminal's stdout that matters here. */
export interface LiveOutput {
  write(text: string): unknown;
  /** undefined or 0: not known. */
  readonly columns?: number;
  readonly rows?: number;
}

const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
const clearBelow = "\u001b[J";

export class LiveRegion {
  readonly #output: LiveOutput;
  #drawn: readonly string[] = [];
  #active = false;

  constructor(output: LiveOutput) {
    this.#output = output;
  }

  /** Columns that a line may take. */
  get width(): number {
    return this.#output.columns || 80;
  }

  /** Replaces what was drawn. Lines must fit `width`; those that do not fit the height are left out. */
  draw(lines: readonly string[]): void {
    // The cursor stands below the region, and a line that has scrolled out cannot be reached any more.
    const fitting = lines.slice(0, Math.max(1, (this.#output.rows || 24) - 1));
    const start = this.#active ? "" : hideCursor;
    this.#output.write(start + this.#erase() + fitting.map((line) => `${line}\n`).join(""));
    this.#drawn = fitting;
    this.#active = true;
  }

  /** Lets `write` put whole lines above the region. */
  print(write: () => void): void {
    const lines = this.#drawn.map((line) => `${line}\n`).join("");
    this.#output.write(this.#erase());
    write();
    this.#output.write(lines);
  }

  /** Leaves the last picture standing and gives the cursor back; harmless when nothing was drawn. */
  end(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#drawn = [];
    this.#output.write(showCursor);
  }

  /** A terminal that has become narrower since has wrapped our lines: count the rows they take now. */
  #erase(): string {
    const width = this.width;
    const rows = this.#drawn.reduce((sum, line) => {
      return sum + Math.max(1, Math.ceil(stripVTControlCharacters(line).length / width));
    }, 0);
    return rows === 0 ? "" : `\u001b[${rows}A\r${clearBelow}`;
  }
}
