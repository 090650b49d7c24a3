// SPDX-License-Identifier: Apache-2.0
// What a check found: one shape for the table and for programs. Pure.

import { countOf, renderTable } from "../../cli/index.ts";

/** info: worth knowing. warning: works, but not in every case. error: will not work. */
export type Status = "ok" | "info" | "warning" | "error";

export interface Finding {
  /** Name of the check, the same on every machine. */
  readonly check: string;
  readonly status: Status;
  /** What is so. */
  readonly what: string;
  /** What follows from it; "" where that is plain. */
  readonly why: string;
  /** What to do; "" = nothing. */
  readonly fix: string;
}

export function ok(check: string, what: string): Finding {
  return { check, status: "ok", what, why: "", fix: "" };
}

export type Counts = Readonly<Record<Status, number>>;

export function countFindings(findings: readonly Finding[]): Counts {
  const counts = { ok: 0, info: 0, warning: 0, error: 0 };
  for (const { status } of findings) counts[status]++;
  return counts;
}

/** `1 error, 2 warnings`. */
export function verdictOf({ error, warning }: Counts): string {
  return `${countOf(error, "error")}, ${countOf(warning, "warning")}`;
}

/** A row for each in the order given, and below it why it matters and what to do. */
export function renderFindings(
  findings: readonly Finding[],
  width: number | null,
  styleTitle: (text: string) => string,
): string {
  const rows = findings.flatMap(({ status, check, what, why, fix }) => [
    [status, check, what],
    ...(why === "" ? [] : [["", "", `why: ${why}`]]),
    ...(fix === "" ? [] : [["", "", `do: ${fix}`]]),
  ]);
  const columns = ["STATUS", "CHECK", "FOUND"].map((title) => ({ title }));
  return renderTable(columns, rows, width, styleTitle);
}
