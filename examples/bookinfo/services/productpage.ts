// SPDX-License-Identifier: Apache-2.0
// The product page: puts a page together from details and reviews, and hands the same data out as JSON.

import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";

import {
  type Answer,
  fetchDetails,
  fetchRatings,
  fetchReviews,
  readDetails,
  readReviews,
} from "./productpage/backends.ts";
import { books } from "./productpage/catalogue.ts";
import { html } from "./productpage/html.ts";
import { indexPage, productPage } from "./productpage/page.ts";
import { acceptableName, endUserHeader, sessionCookie, signedInUser } from "./productpage/session.ts";
import { createMeshClient, forwardedHeaders, type MeshClient } from "./shared/mesh-client.ts";
import {
  allowMethods,
  allowRead,
  readBody,
  requestPath,
  runService,
  send,
  sendJson,
  type Service,
  type ServiceOptions,
} from "./shared/service.ts";

interface Context {
  readonly client: MeshClient;
  /** By whole request path: what is not listed is not served, whatever the path is spelt like. */
  readonly assets: ReadonlyMap<string, Asset>;
}

interface Asset {
  readonly contentType: string;
  readonly body: Buffer;
}

const apiParts = new Map([
  ["", { name: "details", fetch: fetchDetails }],
  ["/reviews", { name: "reviews", fetch: fetchReviews }],
  ["/ratings", { name: "ratings", fetch: fetchRatings }],
]);
const formLimitBytes = 4096;
const apiPrefix = "/api/v1/products";
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export function createProductPage(options: ServiceOptions): Service {
  const context: Context = { client: createMeshClient(options.meshUrl), assets: loadAssets() };
  return { handle: (request, response) => handle(context, request, response), close: () => context.client.close() };
}

function loadAssets(): ReadonlyMap<string, Asset> {
  const load = (name: string, contentType: string): [string, Asset] => [
    `/static/${name}`,
    { contentType, body: readFileSync(new URL(`productpage/static/${name}`, import.meta.url)) },
  ];
  return new Map([
    load("style.css", "text/css; charset=utf-8"),
    load("logo.svg", "image/svg+xml"),
    load("cover.svg", "image/svg+xml"),
  ]);
}

async function handle(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = requestPath(request);
  if (path === "/login") return login(request, response);
  if (!allowRead(request, response)) return;
  if (path === "/" || path === "/index.html") {
    return sendPage(response, 200, indexPage(books[0]!, signedInUser(request.headers)));
  }
  if (path === "/health") return send(response, 200, "text/plain; charset=utf-8", "Product page is healthy");
  if (path === "/productpage") return showProduct(context, request, response);
  if (path === "/logout") return redirectToProduct(response, "");
  if (path === apiPrefix) return sendJson(response, 200, books.map(apiBook));
  if (path.startsWith(`${apiPrefix}/`)) return api(context, path.slice(apiPrefix.length + 1), request, response);
  const asset = context.assets.get(path);
  if (asset === undefined) return sendJson(response, 404, { error: "not found" });
  response.setHeader("cache-control", "max-age=300");
  send(response, 200, asset.contentType, asset.body);
}

async function login(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!allowMethods(request, response, ["POST"])) return;
  const form = await readBody(request, formLimitBytes);
  if (form === null) return sendJson(response, 413, { error: "form is too long" });
  const name = acceptableName(new URLSearchParams(form).get("username") ?? "");
  if (name === "") return sendJson(response, 400, { error: "please provide a username of 1 to 64 characters" });
  redirectToProduct(response, name);
}

function redirectToProduct(response: ServerResponse, user: string): void {
  response.writeHead(302, { location: "/productpage", "set-cookie": sessionCookie(user), "content-length": 0 });
  response.end();
}

async function showProduct(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const book = books[0]!;
  const headers = outgoingHeaders(request);
  const [details, reviews] = await Promise.all([
    fetchDetails(context.client, book.id, headers),
    fetchReviews(context.client, book.id, headers),
  ]);
  const page = productPage({
    book,
    user: signedInUser(request.headers),
    requestId: headers["x-request-id"] ?? "",
    details: checked(details, readDetails),
    reviews: checked(reviews, readReviews),
  });
  sendPage(response, 200, page);
}

function sendPage(response: ServerResponse, status: number, page: string): void {
  response.setHeader("content-security-policy", contentSecurityPolicy);
  response.setHeader("referrer-policy", "same-origin");
  // The page depends on who is signed in and on which version answers.
  response.setHeader("cache-control", "no-store");
  send(response, status, "text/html; charset=utf-8", page);
}

function checked<T>(answer: Answer<unknown>, read: (value: unknown) => T | null): Answer<T> {
  const value = answer.value === null ? null : read(answer.value);
  return { status: answer.value !== null && value === null ? 502 : answer.status, value };
}

/** `{id}`, `{id}/reviews`, `{id}/ratings`. */
async function api(context: Context, rest: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const slash = rest.indexOf("/");
  const id = slash < 0 ? rest : rest.slice(0, slash);
  const part = apiParts.get(slash < 0 ? "" : rest.slice(slash));
  if (part === undefined) return sendJson(response, 404, { error: "not found" });
  if (!/^\d{1,9}$/.test(id)) return sendJson(response, 400, { error: "please provide numeric product id" });
  const answer = await part.fetch(context.client, Number(id), outgoingHeaders(request));
  const error = `Sorry, product ${part.name} are currently unavailable for this book.`;
  sendJson(response, answer.status, answer.value ?? { error });
}

/** The field names are the original's; its description is HTML. */
function apiBook(book: (typeof books)[number]): unknown {
  const link = html`<a href="${book.summaryUrl}">Wikipedia Summary</a>: ${book.description}`;
  return { id: book.id, title: book.title, descriptionHtml: link.text };
}

function outgoingHeaders(request: IncomingMessage): Record<string, string> {
  const headers = forwardedHeaders(request.headers);
  const user = signedInUser(request.headers);
  if (user !== "") headers["end-user"] = endUserHeader(user);
  return headers;
}

if (import.meta.main) await runService("productpage", createProductPage);
