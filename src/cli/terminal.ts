// SPDX-License-Identifier: Apache-2.0
// Where a command writes, and what the other side can show: colour only on a terminal and never against NO_COLOR.

import { styleText } from "node:util";

/** Meanings, not colours, so that one place decides how each looks. */
export type Tone = "strong" | "dim" | "good" | "caution" | "bad";

export interface Terminal {
  /** The answer: stdout. */
  out(text: string): void;
  /** Everything about the answer: stderr. */
  err(text: string): void;
  /** Columns of stdout when it is a terminal, else null: then nothing is cut or wrapped. */
  readonly width: number | null;
  /** Whether stderr shows colours, for whoever writes there with formats of its own. */
  readonly errColour: boolean;
  /** The text as stdout shows this tone; unchanged without colour. */
  tone(tone: Tone, text: string): string;
  /** The same for stderr. */
  errTone(tone: Tone, text: string): string;
}

/** The part of tty.WriteStream that matters here. */
export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const formats = {
  strong: "bold",
  dim: "dim",
  good: "green",
  caution: "yellow",
  bad: "red",
} as const satisfies Record<Tone, string>;

/** `env` is read once, for NO_COLOR (https://no-color.org: set and not empty) and TERM=dumb. */
export function createTerminal(
  stdout: OutputStream,
  stderr: OutputStream,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const colourAllowed = (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const hasColour = (stream: OutputStream) => colourAllowed && stream.isTTY === true;
  const toneOn = (stream: OutputStream) => (tone: Tone, text: string) =>
    hasColour(stream) ? styleText(formats[tone], text, { validateStream: false }) : text;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // A terminal may say 0 columns (some CI runners do): then its width is not known.
    width: stdout.isTTY === true && (stdout.columns ?? 0) > 0 ? (stdout.columns ?? null) : null,
    errColour: hasColour(stderr),
    tone: toneOn(stdout),
    errTone: toneOn(stderr),
  };
}
