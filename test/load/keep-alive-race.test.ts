// SPDX-License-Identifier: Apache-2.0
// Origins that close idle connections just when the next request comes: what may be repeated is, what may not be is
// executed at most once and fails honestly.

import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";

import { lostRequests, seededRandom, startLoad, type LoadResult } from "../support/load.ts";
import { LoadOrigin, type OriginFault } from "../support/load-origin.ts";
import { startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";

const each = 400;

interface Race {
  readonly result: LoadResult;
  readonly origin: LoadOrigin;
  readonly proxy: ProxyUnderTest;
  readonly races: number;
}

/** Runs `methods` against an origin that ends every fifth connection at the worst moment, in one of three ways. */
async function race(methods: readonly string[], use: (race: Race) => void): Promise<void> {
  const random = seededRandom(20261121);
  const used = new WeakSet<Socket>();
  let races = 0;
  await using origin = await LoadOrigin.start({
    // The request is on its way while the origin closes: it arrives, and is never looked at.
    onRequest: (socket): OriginFault => {
      if (!used.has(socket)) {
        used.add(socket);
        return "answer";
      }
      const chance = random();
      if (chance >= 0.2) return "answer";
      races++;
      return chance < 0.1 ? "close" : "reset";
    },
    onIdle: (socket) => {
      if (random() < 0.1) setImmediate(() => socket.end());
    },
  });
  await using proxy = await startProxy({ origins: [origin.port], random });
  await using load = startLoad({
    port: () => proxy.port,
    connections: 16,
    requestsEach: each,
    request: (sequence) => {
      const method = methods[sequence % methods.length]!;
      return {
        method,
        path: "/",
        body: method === "PUT" || method === "POST" ? "b".repeat(1 + (sequence % 5_000)) : "",
      };
    },
  });
  const result = await load.finished();
  use({ result, origin, proxy, races });
}

test("GET, HEAD, PUT and DELETE never notice", { timeout: 30_000 }, async () => {
  await race(["GET", "HEAD", "PUT", "DELETE"], ({ result, proxy, races }) => {
    assert.deepEqual(lostRequests(result), {});
    assert.equal(result.answered, 16 * each);
    assert.ok(races > 300, `${races} races are not a load`);
    assert.ok(proxy.outcomes().every(({ code }) => code === 200));
  });
});

test("POST is executed at most once and fails with 503 UC", { timeout: 30_000 }, async () => {
  await race(["POST"], ({ result, origin, proxy, races }) => {
    assert.equal(result.answered, 16 * each, "every request is answered, one way or the other");
    const again = [...origin.arrivals].filter(([, count]) => count > 1);
    assert.deepEqual(again, [], "nothing the origin may have begun with is sent again");
    assert.deepEqual(origin.duplicates(), []);
    const failed = proxy.outcomes().filter(({ code }) => code !== 200);
    assert.ok(failed.length >= races && races > 300, `${failed.length} failures of ${races} races`);
    assert.deepEqual([...new Set(failed.map(({ code, flags }) => `${code} ${flags}`))], ["503 UC"]);
    assert.equal(result.failures.length, failed.length);
    for (const { id } of result.failures) assert.equal(origin.executions.get(id), undefined, `${id} was executed`);
  });
});
