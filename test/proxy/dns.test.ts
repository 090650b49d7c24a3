// SPDX-License-Identifier: Apache-2.0
// Clusters whose endpoints are host names, with a resolver the test answers for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { endOfHead, get, ok, okRelayed } from "../support/messages.ts";
import { endpoint, eventually, nextTurn, startProxy, type ProxyUnderTest } from "../support/proxy-under-test.ts";
import { RawOrigin } from "../support/raw-peer.ts";

class FakeResolver {
  readonly asked: string[] = [];
  answer: readonly string[] | Error = ["127.0.0.1"];

  readonly resolve = async (host: string): Promise<readonly string[]> => {
    this.asked.push(host);
    if (this.answer instanceof Error) throw this.answer;
    return this.answer;
  };
}

async function startNamed(resolver: FakeResolver, port: number): Promise<ProxyUnderTest> {
  const proxy = await startProxy({ cluster: { discovery: "dns" }, resolveHost: resolver.resolve });
  proxy.setEndpoints([endpoint(port, { address: "web.example.org" })]);
  await nextTurn();
  return proxy;
}

const addresses = (proxy: ProxyUnderTest): readonly string[] => proxy.cluster().endpoints.map(({ address }) => address);

test("a name is resolved and its addresses are used, Host unchanged", async () => {
  const resolver = new FakeResolver();
  await using origin = await RawOrigin.start();
  await using proxy = await startNamed(resolver, origin.port);
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  assert.match(await upstream.takeThrough(endOfHead), /^GET \/ HTTP\/1\.1\r\nHost: a\r\n/);
  upstream.send(ok("named"));
  assert.equal(await client.takeThrough("named"), okRelayed("named"));
  assert.deepEqual(resolver.asked, ["web.example.org"]);
});

for (const [what, failure] of [
  ["fails", new Error("getaddrinfo ENOTFOUND web.example.org")],
  ["has no address", []],
] as const) {
  test(`a name that ${what} is 503 DF, until it resolves`, async () => {
    const resolver = new FakeResolver();
    resolver.answer = failure;
    await using origin = await RawOrigin.start();
    await using proxy = await startNamed(resolver, origin.port);
    await using client = await proxy.connect();
    client.send(get());
    assert.doesNotMatch(await client.takeThrough("no healthy upstream"), /ENOTFOUND|example/);
    assert.deepEqual(proxy.lastOutcome(), { code: 503, flags: "DF", details: "dns_resolution_failure" });
    assert.ok(proxy.logs.some(({ level, message }) => level === "warning" && message.includes("does not resolve")));
    assert.equal(proxy.sample("naru_dns_failures_total"), 1);
    resolver.answer = ["127.0.0.1"];
    proxy.clock.advance(60_000);
    await nextTurn();
    client.send(get());
    const upstream = await origin.connection();
    upstream.send(ok("named"));
    await client.takeThrough("named");
    assert.equal(proxy.sample("naru_dns_failures_total"), 1);
  });
}

test("a name server that does not answer is given up after 10 s, and is not asked again meanwhile", async () => {
  const asked: string[] = [];
  const unanswered: ((addresses: readonly string[]) => void)[] = [];
  await using origin = await RawOrigin.start();
  await using proxy = await startProxy({
    cluster: { discovery: "dns" },
    resolveHost: (host) => {
      asked.push(host);
      const { promise, resolve } = Promise.withResolvers<readonly string[]>();
      if (host === "quick.example.org") resolve(["127.0.0.1"]);
      else unanswered.push(resolve);
      return promise;
    },
  });
  const silent = endpoint(origin.port, { address: "silent.example.org" });
  proxy.setEndpoints([silent]);
  await using client = await proxy.connect();
  client.send(get());
  await client.takeThrough("no healthy upstream");
  assert.equal(proxy.lastOutcome()?.flags, "DF", "nobody waits for the name server");
  proxy.clock.advance(10_000);
  await nextTurn();
  assert.equal(proxy.sample("naru_dns_failures_total"), 1);
  const warnings = proxy.logs.filter(({ message }) => message === "host name does not resolve");
  assert.deepEqual(warnings.at(-1)?.fields, {
    host: "silent.example.org",
    cluster: proxy.cluster().name,
    reason: "no answer within 10 s",
  });
  // One that is silent does not keep others from being known, and takes no second thread.
  proxy.setEndpoints([silent, endpoint(origin.port, { address: "quick.example.org" })]);
  await nextTurn();
  proxy.clock.advance(10_000);
  await nextTurn();
  assert.deepEqual(addresses(proxy), [`127.0.0.1:${origin.port}`]);
  assert.deepEqual(asked, ["silent.example.org", "quick.example.org"]);
  // The late answer counts with the next look.
  for (const resolve of unanswered.splice(0)) resolve(["127.0.0.2"]);
  await nextTurn();
  proxy.clock.advance(60_000);
  for (const resolve of unanswered.splice(0)) resolve(["127.0.0.2"]);
  await nextTurn();
  assert.deepEqual(addresses(proxy), [`127.0.0.2:${origin.port}`, `127.0.0.1:${origin.port}`]);
});

test("an end while a name server is silent leaves no timer", async () => {
  const proxy = await startProxy({ cluster: { discovery: "dns" }, resolveHost: () => new Promise(() => undefined) });
  proxy.setEndpoints([endpoint(1, { address: "silent.example.org" })]);
  await nextTurn();
  await proxy.dataPlane.stop();
  assert.equal(proxy.clock.pending, 0);
  await proxy[Symbol.asyncDispose]();
});

test("names are resolved again after the interval; a failure keeps the last good addresses", async () => {
  const resolver = new FakeResolver();
  resolver.answer = ["127.0.0.1", "127.0.0.2"];
  await using proxy = await startNamed(resolver, 1);
  assert.deepEqual(addresses(proxy), ["127.0.0.1:1", "127.0.0.2:1"]);
  proxy.clock.advance(59_000);
  assert.equal(resolver.asked.length, 1);
  resolver.answer = ["127.0.0.2", "127.0.0.3"];
  proxy.clock.advance(1_000);
  await nextTurn();
  assert.deepEqual(addresses(proxy), ["127.0.0.2:1", "127.0.0.3:1"]);
  resolver.answer = new Error("SERVFAIL");
  proxy.clock.advance(60_000);
  await nextTurn();
  assert.deepEqual(addresses(proxy), ["127.0.0.2:1", "127.0.0.3:1"]);
  resolver.answer = ["127.0.0.4"];
  proxy.clock.advance(60_000);
  await nextTurn();
  assert.deepEqual(addresses(proxy), ["127.0.0.4:1"]);
  assert.equal(resolver.asked.length, 4);
});

test("an address that stays keeps its connections when others come and go", async () => {
  const resolver = new FakeResolver();
  await using origin = await RawOrigin.start();
  await using proxy = await startNamed(resolver, origin.port);
  await using client = await proxy.connect();
  client.send(get());
  const upstream = await origin.connection();
  upstream.send(ok("1"));
  await client.takeThrough("\r\n\r\n1");
  await upstream.takeThrough(endOfHead);
  resolver.answer = ["127.0.0.1", "127.0.0.9"];
  proxy.clock.advance(60_000);
  await eventually(() => addresses(proxy).length === 2, "the second address is known");
  client.send(get());
  await upstream.takeThrough(endOfHead);
  upstream.send(ok("2"));
  await client.takeThrough("\r\n\r\n2");
});

test("endpoint snapshots that name the same hosts do not ask again", async () => {
  const resolver = new FakeResolver();
  await using proxy = await startNamed(resolver, 1);
  for (let weight = 2; weight < 10; weight++) {
    proxy.setEndpoints([endpoint(1, { address: "web.example.org", weight })]);
    await nextTurn();
    assert.equal(proxy.cluster().endpoints[0]?.weight, weight);
  }
  assert.deepEqual(resolver.asked, ["web.example.org"]);
  proxy.setEndpoints([endpoint(1, { address: "web.example.org" }), endpoint(1, { address: "new.example.org" })]);
  await nextTurn();
  assert.ok(resolver.asked.includes("new.example.org"));
  proxy.clock.advance(60_000);
  await nextTurn();
  assert.equal(resolver.asked.length, 5, "both once more, after one interval");
});

test("addresses among the names are used as they are", async () => {
  const resolver = new FakeResolver();
  resolver.answer = new Error("nobody should ask");
  await using proxy = await startProxy({ cluster: { discovery: "dns" }, resolveHost: resolver.resolve });
  proxy.setEndpoints([endpoint(1, { address: "127.0.0.7" })]);
  await nextTurn();
  assert.deepEqual(addresses(proxy), ["127.0.0.7:1"]);
  assert.deepEqual(resolver.asked, []);
});

test("nothing is resolved after the end", async () => {
  const resolver = new FakeResolver();
  const proxy = await startNamed(resolver, 1);
  await proxy.dataPlane.stop();
  proxy.clock.advance(600_000);
  await nextTurn();
  assert.equal(resolver.asked.length, 1);
  assert.equal(proxy.clock.pending, 0, "no timer is left");
  await proxy[Symbol.asyncDispose]();
});
