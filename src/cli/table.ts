// SPDX-License-Identifier: Apache-2.0
// Text tables and wrapped paragraphs. Pure. Without a width nothing is wrapped, so that each row stays one line for grep.

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

const gap = "  ";
/** No column is squeezed below this many characters. */
const narrowest = 8;

/** Lines of a table, each ended by a newline. A cell wider than its share of `width` continues below itself. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | null,
  styleTitle: (text: string) => string = (text) => text,
): string {
  const cells = [columns.map((column) => column.title), ...rows];
  const natural = columns.map((_, index) => Math.max(...cells.map((row) => displayWidth(row[index] ?? ""))));
  const widths = width === null ? natural : fitWidths(natural, width - gap.length * (columns.length - 1));
  const lines = cells.flatMap((row, rowIndex) => {
    const wrapped = columns.map((_, index) => wrapText(row[index] ?? "", widths[index]!));
    const height = Math.max(...wrapped.map((part) => part.length));
    return Array.from({ length: height }, (_, line) => {
      const parts = columns.map((column, index) =>
        pad(wrapped[index]![line] ?? "", widths[index]!, column.align ?? "left"),
      );
      const text = parts.join(gap).trimEnd();
      return rowIndex === 0 ? styleTitle(text) : text;
    });
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Takes from the widest column until all fit, or until nothing more can be taken. */
function fitWidths(natural: readonly number[], available: number): readonly number[] {
  const widths = [...natural];
  for (let excess = widths.reduce((sum, width) => sum + width, 0) - available; excess > 0; excess--) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= narrowest) break;
    widths[widest]!--;
  }
  return widths;
}

/** Lines of at most `width` columns, broken at spaces, else after `/`, `,` and `|`, else anywhere. Never empty. */
export function wrapText(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const piece of text.match(/(?::\/\/|[^\s/,|])*[/,|]?\s*/g) ?? []) {
    if (line !== "" && displayWidth((line + piece).trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = "";
    }
    line += piece;
    while (displayWidth(line.trimEnd()) > width) {
      const head = prefixOfWidth(line, width);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  if (line.trimEnd() !== "" || lines.length === 0) lines.push(line.trimEnd());
  return lines;
}

/** Terminal columns of a text: East Asian wide characters take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

function widthOf(character: string): 1 | 2 {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(character)
    ? 2
    : 1;
}

function prefixOfWidth(text: string, width: number): string {
  let head = "";
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width && head !== "") break;
    head += character;
  }
  return head;
}

function pad(text: string, width: number, align: "left" | "right"): string {
  const blank = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "right" ? blank + text : text + blank;
}
