// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createProductPage } from "../../examples/bookinfo/services/productpage.ts";
import { answering, ask, serve, type Reply, type ServiceUnderTest } from "./support/services.ts";

const details = { id: 0, author: "William Shakespeare", pages: 200, "ISBN-10": "1234567890" };
const rated = (color: string) => ({
  id: "0",
  podname: "reviews-v2",
  clustername: "test",
  reviews: [
    { reviewer: "Reviewer1", text: "Fun.", rating: { stars: 5, color } },
    { reviewer: "Reviewer2", text: "Long.", rating: { stars: 4, color } },
  ],
});

function up(service: ServiceUnderTest): void {
  service.mesh.route("details:9080", answering(200, details));
  service.mesh.route("reviews:9080", answering(200, rated("black")));
  service.mesh.route("ratings:9080", answering(200, { id: 0, ratings: { Reviewer1: 5 } }));
}

describe("the page", () => {
  test("shows the book, its details, its reviews with their stars, and who served them", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const reply = await service.ask("/productpage?u=normal");
    assert.equal(reply.status, 200);
    assert.match(reply.headers["content-type"] ?? "", /^text\/html/);
    assert.match(reply.body, /<h1>The Comedy of Errors<\/h1>/);
    assert.match(reply.body, /<dt>ISBN-10<\/dt>\s*<dd>1234567890<\/dd>/);
    assert.match(reply.body, /Served by\s*<strong>reviews-v2<\/strong>/);
    assert.match(reply.body, /class="stars black"[^>]*role="img"\s+aria-label="5 out of 5 stars"/);
    assert.match(reply.body, /aria-label="4 out of 5 stars"/);
  });

  test("shows red stars as red, and none where the version has none", async () => {
    await using service = await serve(createProductPage);
    up(service);
    service.mesh.route("reviews:9080", answering(200, rated("red")));
    assert.match((await service.ask("/productpage")).body, /class="stars red"/);
    service.mesh.route("reviews:9080", answering(200, { reviews: [{ reviewer: "Reviewer1", text: "Fun." }] }));
    assert.doesNotMatch((await service.ask("/productpage")).body, /out of 5 stars/);
  });

  test("says so when only the stars are missing", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const reviews = [{ reviewer: "Reviewer1", text: "Fun.", rating: { error: "down" } }];
    service.mesh.route("reviews:9080", answering(200, { podname: "reviews-v3", reviews }));
    const { body } = await service.ask("/productpage");
    assert.match(body, /Ratings are currently unavailable/);
    assert.match(body, /Fun\./);
  });

  test("loads nothing from elsewhere and runs nothing", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const reply = await service.ask("/productpage");
    assert.doesNotMatch(reply.body, /<script|\sstyle=|(?:src|action)="(?!\/)|<link[^>]+href="(?!\/)/);
    assert.match(String(reply.headers["content-security-policy"]), /default-src 'none'/);
  });

  test("escapes whatever a service or a user says", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const evil = `<script>alert("x")</script>'&`;
    const escaped = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;";
    service.mesh.route("details:9080", answering(200, { author: evil, [evil]: 1 }));
    const rating = { stars: 5, color: `"><script>` };
    service.mesh.route(
      "reviews:9080",
      answering(200, { podname: evil, reviews: [{ reviewer: evil, text: evil, rating }] }),
    );
    const headers = { cookie: `session=${encodeURIComponent(evil)}`, "x-request-id": evil };
    const { body } = await service.ask("/productpage", { headers });
    assert.doesNotMatch(body, /<script/);
    // Author, label, pod twice, reviewer, text, user and request id.
    assert.ok(body.split(escaped).length - 1 >= 8, body);
  });
});

describe("with a part missing", () => {
  const sorry = (part: string) => new RegExp(`Sorry, product ${part} are currently unavailable for this book\\.`);

  test("the page stands without reviews, after asking twice", async () => {
    await using service = await serve(createProductPage);
    up(service);
    service.mesh.route("reviews:9080", answering(503, "no healthy upstream"));
    const { status, body } = await service.ask("/productpage");
    assert.equal(status, 200);
    assert.match(body, sorry("reviews"));
    assert.match(body, /William Shakespeare/);
    assert.doesNotMatch(body, sorry("details"));
    assert.equal(service.mesh.calls.filter((call) => call.host === "reviews:9080").length, 2);
    assert.equal(service.mesh.calls.filter((call) => call.host === "details:9080").length, 1);
  });

  test("the second answer counts", async () => {
    await using service = await serve(createProductPage);
    up(service);
    let asked = 0;
    service.mesh.route("reviews:9080", (request, response) =>
      answerOf(++asked === 1 ? answering(500, "") : answering(200, rated("red")))(request, response),
    );
    assert.match((await service.ask("/productpage")).body, /class="stars red"/);
  });

  test("the page stands without details, and when reviews breaks off", async () => {
    await using service = await serve(createProductPage);
    up(service);
    service.mesh.route("details:9080", answering(200, "<html>not JSON"));
    service.mesh.route("reviews:9080", (_request, response) => response.destroy());
    const { status, body } = await service.ask("/productpage");
    assert.equal(status, 200);
    assert.match(body, sorry("reviews"));
    assert.match(body, sorry("details"));
  });

  test("the API passes the status on", async () => {
    await using service = await serve(createProductPage);
    const reply = await service.ask("/api/v1/products/0/ratings");
    assert.equal(reply.status, 503);
    assert.match(JSON.parse(reply.body).error, sorry("ratings"));
  });
});

describe("the API", () => {
  test("lists the books", async () => {
    await using service = await serve(createProductPage);
    const [book, ...others] = JSON.parse((await service.ask("/api/v1/products")).body);
    assert.deepEqual(others, []);
    assert.deepEqual(Object.keys(book), ["id", "title", "descriptionHtml"]);
    assert.equal(book.id, 0);
    assert.equal(book.title, "The Comedy of Errors");
  });

  test("hands out details, reviews and ratings as the services give them", async () => {
    await using service = await serve(createProductPage);
    up(service);
    assert.deepEqual(JSON.parse((await service.ask("/api/v1/products/0")).body), details);
    assert.deepEqual(JSON.parse((await service.ask("/api/v1/products/0/reviews")).body), rated("black"));
    assert.deepEqual(JSON.parse((await service.ask("/api/v1/products/0/ratings")).body).ratings, { Reviewer1: 5 });
  });

  for (const [path, status] of [
    ["/api/v1/products/zero", 400],
    ["/api/v1/products/0/constructor", 404],
    ["/api/v1/products/0/reviews/1", 404],
    ["/api/v1/productsx", 404],
  ] as const) {
    test(`answers ${path} with ${status} and calls nobody`, async () => {
      await using service = await serve(createProductPage);
      up(service);
      assert.equal((await service.ask(path)).status, status);
      assert.deepEqual(service.mesh.calls, []);
    });
  }
});

describe("signing in", () => {
  const form = (body: string) => ({
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body,
  });
  const cookieOf = (reply: Reply) => reply.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

  test("sets a session that names the user to every service behind, until the user signs out", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const signedIn = await service.ask("/login", form("username=jason&passwd=x"));
    assert.equal(signedIn.status, 302);
    assert.equal(signedIn.headers.location, "/productpage");
    assert.match(signedIn.headers["set-cookie"]?.[0] ?? "", /; HttpOnly; SameSite=Lax$/);

    const page = await service.ask("/productpage", { headers: { cookie: `other=1; ${cookieOf(signedIn)}` } });
    assert.match(page.body, /Signed in as <strong>jason<\/strong>/);
    assert.deepEqual(
      service.mesh.calls.map((call) => call.headers["end-user"]),
      ["jason", "jason"],
    );

    const signedOut = await service.ask("/logout");
    assert.equal(signedOut.status, 302);
    assert.match(signedOut.headers["set-cookie"]?.[0] ?? "", /^session=; .*Max-Age=0$/);
  });

  test("a guest has no end-user, whatever the request claims", async () => {
    await using service = await serve(createProductPage);
    up(service);
    await service.ask("/productpage", { headers: { "end-user": "jason" } });
    assert.deepEqual(
      service.mesh.calls.map((call) => call.headers["end-user"]),
      [undefined, undefined],
    );
  });

  test("a name in another script travels percent-encoded", async () => {
    await using service = await serve(createProductPage);
    up(service);
    const signedIn = await service.ask("/login", form(`username=${encodeURIComponent("지수")}`));
    const page = await service.ask("/productpage", { headers: { cookie: cookieOf(signedIn) } });
    assert.match(page.body, /Signed in as <strong>지수<\/strong>/);
    assert.equal(service.mesh.calls[0]?.headers["end-user"], encodeURIComponent("지수"));
  });

  for (const body of ["", "username=", "username=%20", "username=a%0d%0aset-cookie:x", `username=${"x".repeat(65)}`]) {
    test(`refuses ${JSON.stringify(body.slice(0, 40))}`, async () => {
      await using service = await serve(createProductPage);
      const reply = await service.ask("/login", form(body));
      assert.equal(reply.status, 400);
      assert.equal(reply.headers["set-cookie"], undefined);
    });
  }

  test("takes no GET and no endless form", async () => {
    await using service = await serve(createProductPage);
    assert.equal((await service.ask("/login")).status, 405);
    assert.equal((await service.ask("/login", form(`username=${"x".repeat(5000)}`))).status, 413);
  });
});

describe("everything else", () => {
  test("serves its style sheet and pictures", async () => {
    await using service = await serve(createProductPage);
    for (const [path, type] of [
      ["/static/style.css", "text/css; charset=utf-8"],
      ["/static/logo.svg", "image/svg+xml"],
      ["/static/cover.svg", "image/svg+xml"],
    ] as const) {
      const reply = await service.ask(path);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers["content-type"], type);
      assert.ok(reply.body.length > 100);
    }
  });

  for (const path of [
    "/static/",
    "/static/../page.ts",
    "/static/../../productpage.ts",
    "/static/%2e%2e/page.ts",
    "/static/..%2fpage.ts",
    "/static//style.css",
    "/static/style.css/",
    "/static/..\\page.ts",
    "/other",
  ]) {
    test(`answers ${path} with 404`, async () => {
      await using service = await serve(createProductPage);
      assert.equal((await service.ask(path)).status, 404);
    });
  }

  test("has an index, a health check, and an answer to HEAD without a body", async () => {
    await using service = await serve(createProductPage);
    assert.match((await service.ask("/")).body, /href="\/productpage"/);
    assert.equal((await service.ask("/health")).body, "Product page is healthy");
    const head = await ask(service.port, "/static/style.css", { method: "HEAD" });
    assert.equal(head.body, "");
    assert.ok(Number(head.headers["content-length"]) > 100);
  });
});

function answerOf<T>(target: T): Exclude<T, number> {
  assert.notEqual(typeof target, "number");
  return target as Exclude<T, number>;
}
