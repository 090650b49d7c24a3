// SPDX-License-Identifier: Apache-2.0
// The list of pages, as HTML for `/` and as text for paths that do not exist. Pure.

import { textReply, type AdminReply, type Endpoint } from "./endpoint.ts";

/** Links for what reads, buttons for what changes something. */
export function indexEndpoint(title: string, endpoints: readonly Endpoint[]): Endpoint {
  return {
    path: "/",
    methods: ["GET"],
    summary: "This list",
    handle: () => ({ status: 200, contentType: "text/html; charset=utf-8", body: indexHtml(title, endpoints) }),
  };
}

export function notFound(path: string, endpoints: readonly Endpoint[]): AdminReply {
  const width = Math.max(...endpoints.map((endpoint) => endpoint.path.length));
  const lines = endpoints.map((endpoint) => `  ${endpoint.path.padEnd(width)}  ${endpoint.summary}\n`);
  return textReply(404, `there is no page ${JSON.stringify(path)}; these are:\n${lines.join("")}`);
}

function indexHtml(title: string, endpoints: readonly Endpoint[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 50em; padding: 0 1em; color-scheme: light dark }
td { padding: .2em 1em .2em 0; vertical-align: baseline }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<table>
${endpoints.map(indexRow).join("\n")}
</table>
</body>
</html>
`;
}

function indexRow({ path, methods, summary }: Endpoint): string {
  const name = escapeHtml(path);
  const cell = methods.includes("GET")
    ? `<a href="${name}">${name}</a>`
    : `<form method="post" action="${name}"><button>${name}</button></form>`;
  return `<tr><td>${cell}</td><td>${escapeHtml(summary)}</td></tr>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
