// SPDX-License-Identifier: Apache-2.0
// The reviews service, in three versions: v1 shows no stars, v2 black ones, v3 red ones. v2 and v3 call ratings.

import type { IncomingMessage, ServerResponse } from "node:http";

import { createMeshClient, forwardedHeaders, type MeshClient } from "./shared/mesh-client.ts";
import {
  allowRead,
  productId,
  requestPath,
  runService,
  sendJson,
  type Service,
  type ServiceOptions,
} from "./shared/service.ts";

interface Stars {
  readonly color: string;
  /** As in the original, where the versions differ on purpose: a delay of ratings is felt behind one and not the other. */
  readonly timeoutMs: number;
}

type Rating = { readonly stars: number; readonly color: string } | { readonly error: string };

const starsOf: Readonly<Record<string, Stars>> = {
  v2: { color: "black", timeoutMs: 10_000 },
  v3: { color: "red", timeoutMs: 2500 },
};

const reviews = [
  {
    reviewer: "Reviewer1",
    text: "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
  },
  {
    reviewer: "Reviewer2",
    text: "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
  },
] as const;

export function createReviews(options: ServiceOptions): Service {
  const client = createMeshClient(options.meshUrl);
  return { handle: (request, response) => handle(client, options, request, response), close: () => client.close() };
}

async function handle(
  client: MeshClient,
  options: ServiceOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = requestPath(request);
  if (!allowRead(request, response)) return;
  if (path === "/health") return sendJson(response, 200, { status: "Reviews is healthy" });
  if (!path.startsWith("/reviews/")) return sendJson(response, 404, { error: "not found" });
  const id = productId(path, "/reviews/");
  if (id === null) return sendJson(response, 400, { error: "please provide numeric product id" });

  const stars = starsOf[options.version];
  const ratings = stars === undefined ? null : await fetchRatings(client, id, request, stars.timeoutMs);
  sendJson(response, 200, {
    // The original sends this identifier as text, unlike those of details and ratings.
    id: String(id),
    podname: options.podName,
    clustername: options.clusterName,
    reviews: reviews.map((review) =>
      stars === undefined ? review : { ...review, rating: ratingOf(ratings, review.reviewer, stars.color) },
    ),
  });
}

/** The `ratings` object of the ratings service, or null: a review without stars is better than no review. */
async function fetchRatings(
  client: MeshClient,
  id: number,
  request: IncomingMessage,
  timeoutMs: number,
): Promise<Readonly<Record<string, unknown>> | null> {
  const endUser = request.headers["end-user"];
  const headers = forwardedHeaders(request.headers);
  if (typeof endUser === "string") headers["end-user"] = endUser;
  try {
    const reply = await client.get("ratings", `/ratings/${id}`, headers, timeoutMs);
    if (reply.status === 200) return (reply.body as { ratings?: Record<string, unknown> } | null)?.ratings ?? null;
    process.stderr.write(`ratings answered ${reply.status}\n`);
  } catch (error) {
    process.stderr.write(`ratings did not answer: ${String(error)}\n`);
  }
  return null;
}

function ratingOf(ratings: Readonly<Record<string, unknown>> | null, reviewer: string, color: string): Rating {
  const stars = ratings?.[reviewer];
  return typeof stars === "number" ? { stars, color } : { error: "Ratings service is currently unavailable" };
}

if (import.meta.main) await runService("reviews", createReviews);
