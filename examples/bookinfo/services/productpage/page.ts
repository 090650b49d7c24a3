// SPDX-License-Identifier: Apache-2.0
// The pages as HTML: no script, no foreign resource, every value escaped by html``.

import type { Answer, Details, Review, Reviews } from "./backends.ts";
import type { Book } from "./catalogue.ts";
import { type Html, html } from "./html.ts";

export interface ProductView {
  readonly book: Book;
  /** "" = guest. */
  readonly user: string;
  readonly requestId: string;
  readonly details: Answer<Details>;
  readonly reviews: Answer<Reviews>;
}

/** `/`: what this is and where to go. */
export function indexPage(book: Book, user: string): string {
  return layout(
    "Bookinfo",
    user,
    html`<section class="card intro">
      <h1>Bookinfo</h1>
      <p>A page put together by four small services that talk to each other through the mesh.</p>
      <ul class="links">
        <li><a href="/productpage">The page about “${book.title}”</a></li>
        <li><a href="/api/v1/products">Books as JSON</a></li>
        <li><a href="/api/v1/products/${book.id}">Details as JSON</a></li>
        <li><a href="/api/v1/products/${book.id}/reviews">Reviews as JSON</a></li>
        <li><a href="/api/v1/products/${book.id}/ratings">Ratings as JSON</a></li>
      </ul>
    </section>`,
  );
}

/** `/productpage`: the book, its details, its reviews, and which service delivered what. */
export function productPage(view: ProductView): string {
  const { book } = view;
  return layout(
    book.title,
    view.user,
    html`<article>
        <header class="hero">
          <img class="cover" src="/static/cover.svg" width="180" height="250" alt="" />
          <div>
            <p class="eyebrow">Book</p>
            <h1>${book.title}</h1>
            <p class="byline">by ${book.author}</p>
            <p class="lead">${book.description}</p>
            <p><a href="${book.summaryUrl}" rel="noreferrer">Summary on Wikipedia</a></p>
          </div>
        </header>
        <div class="columns">${reviewsSection(view.reviews)} ${detailsSection(view.details)}</div>
      </article>
      ${pathSection(view)}`,
  );
}

function layout(title: string, user: string, content: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title === "Bookinfo" ? title : `${title} · Bookinfo`}</title>
        <link rel="icon" href="/static/logo.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/static/style.css" />
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <header class="bar">
          <a class="brand" href="/productpage"><img src="/static/logo.svg" width="28" height="28" alt="" />Bookinfo</a>
          ${account(user)}
        </header>
        <main id="content">${content}</main>
      </body>
    </html> `.text;
}

function account(user: string): Html {
  if (user !== "") {
    return html`<div class="account">
      <span>Signed in as <strong>${user}</strong></span> <a class="button" href="/logout">Sign out</a>
    </div>`;
  }
  return html`<form class="account" method="post" action="/login">
    <label for="username">Name</label>
    <input id="username" name="username" required maxlength="64" autocomplete="username" placeholder="jason" />
    <button class="button" type="submit">Sign in</button>
  </form>`;
}

function detailsSection(details: Answer<Details>): Html {
  if (details.value === null) {
    return html`<section class="card" aria-labelledby="details">
      <h2 id="details">Book details</h2>
      ${failure("Sorry, product details are currently unavailable for this book.", details.status)}
    </section>`;
  }
  const rows = Object.entries(details.value).filter(([name]) => name !== "id");
  return html`<section class="card" aria-labelledby="details">
    <h2 id="details">Book details</h2>
    <dl>
      ${rows.map(
        ([name, value]) =>
          html`<div>
            <dt>${label(name)}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </section>`;
}

/** `year` → `Year`; `ISBN-10` stays. */
function label(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function reviewsSection(reviews: Answer<Reviews>): Html {
  const body =
    reviews.value === null
      ? failure("Sorry, product reviews are currently unavailable for this book.", reviews.status)
      : html`<ul class="reviews">
          ${reviews.value.reviews.map(reviewItem)}
        </ul>`;
  const servedBy =
    reviews.value === null ? null : html`<p class="badge">Served by <strong>${reviews.value.podName}</strong></p>`;
  return html`<section class="card" aria-labelledby="reviews">
    <div class="title-row">
      <h2 id="reviews">Book reviews</h2>
      ${servedBy}
    </div>
    ${body}
  </section>`;
}

function reviewItem(review: Review): Html {
  return html` <li>
    <figure>
      ${stars(review.rating)}
      <blockquote><p>${review.text}</p></blockquote>
      <figcaption>${review.reviewer}</figcaption>
    </figure>
  </li>`;
}

const starIndexes = [0, 1, 2, 3, 4] as const;
const starPath = "M12 2l3.1 6.3 6.9 1-5 4.9 1.2 6.8L12 17.8 5.8 21 7 14.2 2 9.3l6.9-1z";

function stars(rating: Review["rating"]): Html | null {
  if (rating === null) return null;
  if (rating.stars === null) return html`<p class="muted">Ratings are currently unavailable.</p>`;
  const filled = Math.round(rating.stars);
  return html`<svg
    class="stars ${rating.color === "red" ? "red" : "black"}"
    viewBox="0 0 120 24"
    width="120"
    height="24"
    role="img"
    aria-label="${rating.stars} out of 5 stars"
  >
    ${starIndexes.map((index) => html`<path class="${index < filled ? "on" : "off"}" transform="translate(${index * 24})" d="${starPath}" />`)}
  </svg>`;
}

function failure(message: string, status: number): Html {
  return html`<div class="failure" role="status">
    <p><strong>${message}</strong></p>
    <p class="muted">Status ${status}.</p>
  </div>`;
}

/** The calls behind this page view, the one thing the original leaves to the imagination. */
function pathSection(view: ProductView): Html {
  const reviewsPod = view.reviews.value?.podName ?? "reviews";
  const hasStars = view.reviews.value?.reviews.some((review) => review.rating !== null) ?? false;
  const ratingsUp = view.reviews.value?.reviews.some((review) => review.rating?.stars != null) ?? false;
  return html`<section class="path" aria-labelledby="path">
    <h2 id="path">How this page came together</h2>
    <div class="hops">
      ${hop("gateway", "naru", true)}
      <span class="arrow" aria-hidden="true"></span>
      ${hop("productpage", "this page", true)}
      <span class="arrow" aria-hidden="true"></span>
      <div class="branches">
        <div class="branch">
          ${hop(reviewsPod, "reviews", view.reviews.value !== null)}
          ${hasStars ? html`<span class="arrow" aria-hidden="true"></span> ${hop("ratings", "stars", ratingsUp)}` : null}
        </div>
        <div class="branch">${hop("details", "facts", view.details.value !== null)}</div>
      </div>
    </div>
    ${view.requestId === "" ? null : html`<p class="muted">Request <code>${view.requestId}</code></p>`}
  </section>`;
}

function hop(name: string, role: string, up: boolean): Html {
  return html`<div class="hop ${up ? "up" : "down"}">
    <strong>${name}</strong><span>${up ? role : "unavailable"}</span>
  </div>`;
}
