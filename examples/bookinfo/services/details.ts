// SPDX-License-Identifier: Apache-2.0
// The details service: bibliographic facts about a book.

import type { IncomingMessage, ServerResponse } from "node:http";

import { allowRead, productId, requestPath, runService, sendJson, type Service } from "./shared/service.ts";

export function createDetails(): Service {
  return { handle, close: () => undefined };
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  const path = requestPath(request);
  if (!allowRead(request, response)) return;
  if (path === "/health") return sendJson(response, 200, { status: "Details is healthy" });
  if (!path.startsWith("/details/")) return sendJson(response, 404, { error: "not found" });
  const id = productId(path, "/details/");
  if (id === null) return sendJson(response, 400, { error: "please provide numeric product id" });
  sendJson(response, 200, {
    id,
    author: "William Shakespeare",
    year: 1595,
    type: "paperback",
    pages: 200,
    publisher: "PublisherA",
    language: "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
  });
}

if (import.meta.main) await runService("details", createDetails);
