// SPDX-License-Identifier: Apache-2.0
// HTML that cannot be forgotten to be escaped: text put into an html`` template is escaped unless it is Html itself.

/** Markup that is safe to send. Only the html tag makes it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlPart = string | number | Html | null | readonly Html[];

/** Escapes text parts for element content and quoted attribute values; null is nothing, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let text = strings[0]!;
  for (let index = 0; index < parts.length; index++) text += render(parts[index]!) + strings[index + 1]!;
  return new Html(text);
}

function render(part: HtmlPart): string {
  if (part === null) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map((item) => item.text).join("");
  return escapeHtml(String(part));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
