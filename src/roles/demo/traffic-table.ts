// SPDX-License-Identifier: Apache-2.0
// Rows of traffic as lines of text, for any width. Pure.

import { renderTable, type Column, type Tone } from "../../cli/index.ts";
import type { TrafficRow } from "./traffic-window.ts";

interface TableColumn extends Column {
  /** The higher, the earlier it goes when the terminal is narrow; 0 never goes. */
  readonly expendable: number;
  text(row: TrafficRow): string;
}

type Style = (tone: Tone, text: string) => string;

const columns: readonly TableColumn[] = [
  { title: "SERVICE", expendable: 0, text: (row) => row.service },
  { title: "VERSION", expendable: 0, text: (row) => row.version || "-" },
  { title: "REQUESTS", align: "right", expendable: 4, text: (row) => String(row.requests) },
  { title: "REQ/S", align: "right", expendable: 0, text: (row) => row.requestsPerSecond.toFixed(1) },
  { title: "ERR/S", align: "right", expendable: 1, text: (row) => row.errorsPerSecond.toFixed(1) },
  { title: "P50 MS", align: "right", expendable: 3, text: (row) => milliseconds(row.p50Ms) },
  { title: "P99 MS", align: "right", expendable: 2, text: (row) => milliseconds(row.p99Ms) },
];

/**
 * The title line and one line per row, without newlines, none longer than `width`: columns go, least needed first, and
 * what is still too long is cut. Idle rows are dim, rows with errors red.
 */
export function trafficTableLines(rows: readonly TrafficRow[], width: number, style: Style): readonly string[] {
  let shown = columns;
  let lines = layOut(rows, shown);
  while (lines.some((line) => line.length > width)) {
    const next = Math.max(...shown.map((column) => column.expendable));
    if (next === 0) break;
    shown = shown.filter((column) => column.expendable !== next);
    lines = layOut(rows, shown);
  }
  return lines.map((line, index) => {
    const cut = line.slice(0, width);
    const row = rows[index - 1];
    if (row === undefined) return style("strong", cut);
    if (row.errorsPerSecond > 0) return style("bad", cut);
    return row.requestsPerSecond > 0 ? cut : style("dim", cut);
  });
}

/** One line for a log, without columns: `reviews v2  12.0 req/s  0.0 err/s  p50 3.1 ms  p99 9.8 ms`. */
export function trafficLine(row: TrafficRow): string {
  const name = row.version === "" ? row.service : `${row.service} ${row.version}`;
  const rates = `${row.requestsPerSecond.toFixed(1)} req/s  ${row.errorsPerSecond.toFixed(1)} err/s`;
  return `${name}  ${rates}  p50 ${milliseconds(row.p50Ms)} ms  p99 ${milliseconds(row.p99Ms)} ms`;
}

function layOut(rows: readonly TrafficRow[], shown: readonly TableColumn[]): readonly string[] {
  const cells = rows.map((row) => shown.map((column) => column.text(row)));
  return renderTable(shown, cells, null).split("\n").slice(0, -1);
}

/** Three digits are all that a histogram supports. */
function milliseconds(value: number | null): string {
  if (value === null) return "-";
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}
