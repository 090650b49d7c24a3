// SPDX-License-Identifier: Apache-2.0
// The ratings service: how many stars each reviewer gives a book, kept in memory.

import type { IncomingMessage, ServerResponse } from "node:http";

import {
  allowMethods,
  productId,
  readBody,
  requestPath,
  runService,
  sendJson,
  type Service,
} from "./shared/service.ts";

type Ratings = Readonly<Record<string, number>>;

const bodyLimitBytes = 16_384;
/** Posted ratings beyond this many books push out the oldest, so that nobody can fill the memory. */
const bookLimit = 1000;
const defaultRatings: Ratings = { Reviewer1: 5, Reviewer2: 4 };

export function createRatings(): Service {
  const posted = new Map<number, Ratings>();
  return { handle: (request, response) => handle(posted, request, response), close: () => posted.clear() };
}

async function handle(posted: Map<number, Ratings>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = requestPath(request);
  if (path === "/health") {
    if (allowMethods(request, response, ["GET", "HEAD"])) sendJson(response, 200, { status: "Ratings is healthy" });
    return;
  }
  if (!path.startsWith("/ratings/")) return sendJson(response, 404, { error: "not found" });
  if (!allowMethods(request, response, ["GET", "HEAD", "POST"])) return;
  const id = productId(path, "/ratings/");
  if (id === null) return sendJson(response, 400, { error: "please provide numeric product ID" });
  if (request.method === "POST") {
    const body = await readBody(request, bodyLimitBytes);
    if (body === null) return sendJson(response, 413, { error: "ratings are too long" });
    const ratings = parseRatings(body);
    if (ratings === null) return sendJson(response, 400, { error: "please provide valid ratings JSON" });
    posted.delete(id);
    posted.set(id, ratings);
    if (posted.size > bookLimit) posted.delete(posted.keys().next().value!);
  }
  sendJson(response, 200, { id, ratings: posted.get(id) ?? defaultRatings });
}

/** An object of reviewer → 0 to 5 stars, or null. */
function parseRatings(text: string): Ratings | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const valid = Object.values(value).every((stars) => typeof stars === "number" && stars >= 0 && stars <= 5);
  return valid ? (value as Ratings) : null;
}

if (import.meta.main) await runService("ratings", createRatings);
