// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createDetails } from "../../examples/bookinfo/services/details.ts";
import { createRatings } from "../../examples/bookinfo/services/ratings.ts";
import { createReviews } from "../../examples/bookinfo/services/reviews.ts";
import { answering, serve } from "./support/services.ts";

describe("details", () => {
  test("answers the original's fields under the number that was asked for", async () => {
    await using service = await serve(createDetails);
    const reply = await service.ask("/details/7?x=1");
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(reply.body), {
      id: 7,
      author: "William Shakespeare",
      year: 1595,
      type: "paperback",
      pages: 200,
      publisher: "PublisherA",
      language: "English",
      "ISBN-10": "1234567890",
      "ISBN-13": "123-1234567890",
    });
  });

  test("is healthy, and refuses what it does not serve", async () => {
    await using service = await serve(createDetails);
    assert.deepEqual(JSON.parse((await service.ask("/health")).body), { status: "Details is healthy" });
    assert.equal((await service.ask("/details/zero")).status, 400);
    assert.equal((await service.ask("/details/0/1")).status, 400);
    assert.equal((await service.ask("/other")).status, 404);
    const refused = await service.ask("/details/0", { method: "DELETE" });
    assert.equal(refused.status, 405);
    assert.equal(refused.headers.allow, "GET, HEAD");
  });
});

describe("ratings", () => {
  test("keeps what is posted, for that book only", async () => {
    await using service = await serve(createRatings);
    const defaults = { Reviewer1: 5, Reviewer2: 4 };
    assert.deepEqual(JSON.parse((await service.ask("/ratings/0")).body), { id: 0, ratings: defaults });
    const posted = await service.ask("/ratings/0", { method: "POST", body: '{"Reviewer1":1,"Reviewer2":2}' });
    assert.deepEqual(JSON.parse(posted.body), { id: 0, ratings: { Reviewer1: 1, Reviewer2: 2 } });
    assert.deepEqual(JSON.parse((await service.ask("/ratings/0")).body), JSON.parse(posted.body));
    assert.deepEqual(JSON.parse((await service.ask("/ratings/1")).body), { id: 1, ratings: defaults });
  });

  for (const body of ["not json", "[]", "null", "7", '{"Reviewer1":"5"}', '{"Reviewer1":6}', '{"Reviewer1":-1}']) {
    test(`refuses ${body} as ratings`, async () => {
      await using service = await serve(createRatings);
      assert.equal((await service.ask("/ratings/0", { method: "POST", body })).status, 400);
      assert.deepEqual(JSON.parse((await service.ask("/ratings/0")).body).ratings, { Reviewer1: 5, Reviewer2: 4 });
    });
  }

  test("refuses ratings without end", async () => {
    await using service = await serve(createRatings);
    const body = JSON.stringify({ Reviewer1: 5, padding: "x".repeat(20_000) });
    assert.equal((await service.ask("/ratings/0", { method: "POST", body })).status, 413);
  });
});

describe("reviews", () => {
  test("v1 answers without ratings and calls nobody", async () => {
    await using service = await serve(createReviews, "v1");
    const answer = JSON.parse((await service.ask("/reviews/0")).body);
    assert.equal(answer.id, "0");
    assert.equal(answer.podname, "pod-v1");
    assert.equal(answer.clustername, "test");
    assert.deepEqual(Object.keys(answer.reviews[0]), ["reviewer", "text"]);
    assert.equal(answer.reviews.length, 2);
    assert.deepEqual(service.mesh.calls, []);
  });

  for (const [version, color] of [
    ["v2", "black"],
    ["v3", "red"],
  ] as const) {
    test(`${version} shows ${color} stars`, async () => {
      await using service = await serve(createReviews, version);
      service.mesh.route("ratings:9080", answering(200, { id: 0, ratings: { Reviewer1: 3, Reviewer2: 1 } }));
      const answer = JSON.parse((await service.ask("/reviews/0")).body);
      assert.deepEqual(
        answer.reviews.map((review: { rating: unknown }) => review.rating),
        [
          { stars: 3, color },
          { stars: 1, color },
        ],
      );
    });
  }

  for (const [name, status, body] of [
    ["is down", 503, "no healthy upstream"],
    ["speaks no JSON", 200, "<html>"],
    ["forgets a reviewer", 200, {}],
  ] as const) {
    test(`shows reviews without stars when ratings ${name}`, async () => {
      await using service = await serve(createReviews, "v2");
      service.mesh.route("ratings:9080", answering(status, body));
      const reply = await service.ask("/reviews/0");
      assert.equal(reply.status, 200);
      assert.deepEqual(JSON.parse(reply.body).reviews[0].rating, { error: "Ratings service is currently unavailable" });
    });
  }

  test("passes trace headers and the user on to ratings, and nothing else of the request", async () => {
    await using service = await serve(createReviews, "v3");
    service.mesh.route("ratings:9080", answering(200, { ratings: {} }));
    const headers = {
      "x-request-id": "r",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=b",
      b3: "1",
      "x-b3-traceid": "t",
      "x-b3-spanid": "s",
      "x-b3-parentspanid": "p",
      "x-b3-sampled": "1",
      "x-b3-flags": "0",
      "x-ot-span-context": "o",
      "end-user": "jason",
      "user-agent": "test",
      cookie: "session=jason",
    };
    await service.ask("/reviews/0", { headers: { ...headers, "x-private": "no", te: "trailers" } });
    const [call, ...others] = service.mesh.calls;
    assert.deepEqual(others, []);
    assert.equal(call?.path, "/ratings/0");
    const seen = { ...call?.headers };
    delete seen["connection"];
    assert.deepEqual(seen, { ...headers, accept: "application/json", host: "ratings:9080" });
  });
});
