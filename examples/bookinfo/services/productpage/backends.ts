// SPDX-License-Identifier: Apache-2.0
// The three services behind the page: timeouts, the one retry, and answers checked before anybody believes them.

import type { MeshClient } from "../shared/mesh-client.ts";

/** Of each call; the original's. */
const timeoutMs = 3000;

/** `value` null: the service is down or spoke nonsense, and `status` is for whoever asked through the API. */
export interface Answer<T> {
  readonly status: number;
  readonly value: T | null;
}

export type Details = Readonly<Record<string, string | number>>;

export interface Reviews {
  readonly podName: string;
  readonly reviews: readonly Review[];
}

export interface Review {
  readonly reviewer: string;
  readonly text: string;
  /** null = this version shows none; `stars` null = it should, but ratings is down. */
  readonly rating: { readonly stars: number | null; readonly color: string } | null;
}

type Headers = Readonly<Record<string, string>>;

export function fetchDetails(client: MeshClient, id: number, headers: Headers): Promise<Answer<unknown>> {
  return fetchJson(client, "details", `/details/${id}`, headers);
}

/** Asks a second time when the first answer is not 200 or does not come, as the original does. */
export async function fetchReviews(client: MeshClient, id: number, headers: Headers): Promise<Answer<unknown>> {
  const first = await fetchJson(client, "reviews", `/reviews/${id}`, headers);
  return first.value === null ? fetchJson(client, "reviews", `/reviews/${id}`, headers) : first;
}

export function fetchRatings(client: MeshClient, id: number, headers: Headers): Promise<Answer<unknown>> {
  return fetchJson(client, "ratings", `/ratings/${id}`, headers);
}

async function fetchJson(
  client: MeshClient,
  service: string,
  path: string,
  headers: Headers,
): Promise<Answer<unknown>> {
  try {
    const reply = await client.get(service, path, headers, timeoutMs);
    if (reply.status === 200 && reply.body !== null) return { status: 200, value: reply.body };
    return { status: reply.status === 200 ? 502 : reply.status, value: null };
  } catch (error) {
    process.stderr.write(`${service} did not answer: ${String(error)}\n`);
    return { status: 500, value: null };
  }
}

/** Scalar fields of a details answer, in its order; null when it is not an object. */
export function readDetails(value: unknown): Details | null {
  if (!isObject(value)) return null;
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string | number] => typeof entry[1] === "string" || typeof entry[1] === "number",
    ),
  );
}

/** null when the answer does not have the shape of reviews. */
export function readReviews(value: unknown): Reviews | null {
  if (!isObject(value) || !Array.isArray(value["reviews"])) return null;
  const reviews: Review[] = [];
  for (const item of value["reviews"] as readonly unknown[]) {
    if (!isObject(item)) return null;
    reviews.push({ reviewer: text(item["reviewer"]), text: text(item["text"]), rating: readRating(item["rating"]) });
  }
  return { podName: text(value["podname"]), reviews };
}

function readRating(value: unknown): Review["rating"] {
  if (!isObject(value)) return null;
  const stars = value["stars"];
  return { stars: typeof stars === "number" ? stars : null, color: text(value["color"]) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
