// SPDX-License-Identifier: Apache-2.0
// What `naru routes` shows of a snapshot, on one made by hand; test/cli runs it over real files.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createTerminal } from "../../../src/cli/index.ts";
import {
  unknownWorkload,
  type EndpointSnapshot,
  type RouteAction,
  type RouteMatch,
  type RouteSpec,
  type RoutingSnapshot,
} from "../../../src/model/index.ts";
import { describeAction, describeCluster, describeMatch } from "../../../src/roles/describe-route.ts";
import { explainRequest, explanationData, writeExplanation } from "../../../src/roles/explanation.ts";
import { listRoutes, renderRoutes, routeData, selectTables } from "../../../src/roles/route-list.ts";

const everything: RouteMatch = {
  uri: null,
  ignoreUriCase: false,
  method: null,
  scheme: null,
  authority: null,
  headers: [],
  withoutHeaders: [],
  queryParams: [],
};

const retries = {
  attempts: 2,
  perTryTimeoutMs: 0,
  on: ["connect-failure"],
  statusCodes: [503],
  backoffMs: 25,
} as const;
const cart = "outbound|80||cart.shop.svc.cluster.local";
const canary = "outbound|80|canary|cart.shop.svc.cluster.local";

function forward(...destinations: { cluster: string; weight: number }[]): RouteAction {
  return { kind: "forward", destinations, timeoutMs: 1500, retries };
}

function route(match: Partial<RouteMatch>, action: RouteAction, line: number): RouteSpec {
  const resource = { kind: "VirtualService", namespace: "shop", name: "shop" };
  const origin = { resource, position: { file: "shop.yaml", line, column: 5 }, path: `spec.http[${line}]` };
  return { name: "", match: { ...everything, ...match }, action, origin };
}

const reply: RouteAction = { kind: "reply", status: 502, body: "" };
const cartRoute = route(
  {
    uri: { kind: "prefix", value: "/cart" },
    headers: [{ name: "end-user", match: { kind: "exact", value: "jason" } }],
  },
  forward({ cluster: cart, weight: 90 }, { cluster: canary, weight: 10 }),
  3,
);
const restRoute = route({}, forward({ cluster: cart, weight: 1 }), 9);

const routing: RoutingSnapshot = {
  version: "1",
  listeners: [
    { name: "gateway_0.0.0.0_80", role: "gateway", bind: "", port: 80, tables: new Map([[80, "http.80"]]) },
    { name: "mesh", role: "mesh", bind: "127.0.0.1", port: 15001, tables: new Map([[9080, "9080"]]) },
  ],
  routeTables: new Map([
    [
      "http.80",
      { name: "http.80", hosts: [{ name: "*.example:80", domains: ["*.example"], routes: [cartRoute, restRoute] }] },
    ],
    [
      "9080",
      {
        name: "9080",
        hosts: [
          {
            name: "cart.shop.svc.cluster.local:9080",
            domains: ["cart.shop.svc.cluster.local", "cart.shop.svc", "cart.shop", "cart", "10.0.0.7"],
            routes: [route({}, reply, 20)],
          },
        ],
      },
    ],
  ]),
  clusters: new Map(),
};
const endpoints: EndpointSnapshot = {
  version: "1",
  endpoints: new Map([
    [
      cart,
      [
        {
          address: "10.1.0.1",
          port: 8080,
          weight: 1,
          ready: true,
          workload: { ...unknownWorkload, workload: "cart-v1" },
        },
        { address: "fd00::1", port: 8080, weight: 1, ready: false, workload: unknownWorkload },
      ],
    ],
  ]),
};

function explain(authority: string, target: string, headers: Record<string, string> = {}) {
  const [selected] = selectTables(routing, { role: "gateway", port: null });
  assert.ok(selected !== undefined);
  const [path = "", query = ""] = target.split("?");
  return explainRequest(selected, {
    ...asked,
    authority,
    sentPath: path,
    path,
    query,
    headers: new Map(Object.entries(headers)),
  });
}

const asked = { method: "GET", authority: "a", sentPath: "/", path: "/", query: "", peerAddress: "10.9.9.9" };

/** Of a table whose routes each ask for one of these headers, so that it says what there is of it. */
function explainHeaders(role: "gateway" | "mesh", headers: Record<string, string>, names: readonly string[]) {
  const routes = names.map((name) => route({ headers: [{ name, match: { kind: "exact", value: "?" } }] }, reply, 30));
  const [selected] = selectTables(routing, { role, port: null });
  assert.ok(selected !== undefined);
  const table = { name: "asking", hosts: [{ name: "a", domains: ["a"], routes }] };
  const explanation = explainRequest({ ...selected, table }, { ...asked, headers: new Map(Object.entries(headers)) });
  const seen = explanation.result.routes.map((verdict) =>
    verdict.outcome === "failed" ? verdict.failure.actual : "?",
  );
  return { explanation, seen };
}

function written(explanation: ReturnType<typeof explain>): string {
  let text = "";
  writeExplanation(
    createTerminal({ write: (part) => (text += part) }, { write: () => {} }, {}),
    explanation,
    endpoints,
  );
  return text;
}

suite("describing routes", () => {
  test("a match names each of its conditions, and an empty one everything", () => {
    assert.equal(describeMatch(everything), "any");
    assert.equal(describeMatch(cartRoute.match), "prefix /cart, header end-user = jason");
    const match: RouteMatch = {
      uri: { kind: "exact", value: "/A" },
      ignoreUriCase: true,
      method: { kind: "regex", value: "GET|HEAD" },
      scheme: { kind: "exact", value: "http" },
      authority: { kind: "prefix", value: "shop" },
      headers: [{ name: "x-a", match: { kind: "presence" } }],
      withoutHeaders: [{ name: "x-b", match: { kind: "exact", value: "1" } }],
      queryParams: [{ name: "q", match: { kind: "prefix", value: "z" } }],
    };
    assert.equal(
      describeMatch(match),
      "exact /A (any case), method matches GET|HEAD, scheme = http, authority starts with shop, header x-a is present, " +
        "not header x-b = 1, query q starts with z",
    );
  });

  test("an action names destinations with their shares", () => {
    assert.equal(describeAction(restRoute.action), "cart.shop.svc.cluster.local:80");
    assert.equal(
      describeAction(cartRoute.action),
      "cart.shop.svc.cluster.local:80 90%, cart.shop.svc.cluster.local:80 canary 10%",
    );
    assert.equal(describeAction(reply), "reply 502");
    assert.equal(describeCluster("BlackHoleCluster"), "BlackHoleCluster");
  });
});

suite("listing routes", () => {
  test("shows every route in order, and short names once", () => {
    const text = renderRoutes(listRoutes(routing, { role: null, port: null }), null, (title) => title);
    const rows = text
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    assert.deepEqual(rows, [
      ["LISTENER", "HOSTS", "#", "MATCH", "TO", "FROM"],
      [
        "gateway:80",
        "*.example",
        "1",
        describeMatch(cartRoute.match),
        describeAction(cartRoute.action),
        "shop.yaml:3:5",
      ],
      ["gateway:80", "*.example", "2", "any", describeAction(restRoute.action), "shop.yaml:9:5"],
      ["mesh:9080", "cart.shop.svc.cluster.local,10.0.0.7", "1", "any", "reply 502", "shop.yaml:20:5"],
    ]);
  });

  test("keeps to the listener that is asked about", () => {
    const count = (role: "gateway" | "mesh" | null, port: number | null) => listRoutes(routing, { role, port }).length;
    assert.deepEqual([count("gateway", null), count("mesh", null), count(null, 80), count("mesh", 80)], [2, 1, 2, 0]);
  });

  test("is plain data for programs", () => {
    const data = listRoutes(routing, { role: null, port: null }).map(routeData);
    assert.deepEqual(JSON.parse(JSON.stringify(data)), data);
  });
});

suite("explaining a request", () => {
  test("says which route it takes, from where to where, and why not an earlier one", () => {
    const text = written(explain("Shop.example:8080", "/cart?x=1"));
    assert.match(text, /^GET Shop\.example:8080\/cart\?x=1 on gateway port 80$/m);
    assert.match(text, /^host +'shop\.example' is served by \*\.example:80, whose domain \*\.example matches$/m);
    assert.match(text, /^route +2 of 2: any$/m);
    assert.match(text, /^ +shop\.yaml:9:5$/m);
    assert.match(
      text,
      /^endpoints +cart\.shop\.svc\.cluster\.local:80: 10\.1\.0\.1:8080 cart-v1, \[fd00::1\]:8080 \(not ready\)$/m,
    );
    assert.match(text, /^timeout +1500 ms$/m);
    assert.match(text, /^retries +up to 2 on connect-failure,503$/m);
    assert.match(text, /^1 .*no: headers\.end-user is absent, not exact "jason"/m);
    assert.match(text, /^2 .*matched/m);
  });

  test("stops at the first route that matches", () => {
    const text = written(explain("shop.example", "/cart", { "end-user": "jason" }));
    assert.match(text, /^route +1 of 2/m);
    assert.match(text, /^2 .*not reached/m);
    assert.match(text, /^endpoints .*canary: none$/m);
  });

  test("says which hosts there are when none serves the request", () => {
    const text = written(explain("shop.test", "/"));
    assert.match(text, /^no host +nothing in route table http\.80 serves the host 'shop\.test'$/m);
    assert.match(text, /^hosts +\*\.example$/m);
  });

  test("routes see the headers that naru writes, and none that it drops, as while serving; and it says so", () => {
    const sent = {
      "x-forwarded-for": "10.0.0.1",
      "x-forwarded-proto": "https",
      "x-envoy-internal": "true",
      "x-forwarded-client-cert": "URI=admin",
    };
    const names = [...Object.keys(sent), "x-request-id"];
    const example = "00000000-0000-4000-8000-000000000000";
    const { explanation: atEdge, seen } = explainHeaders("gateway", sent, names);
    assert.deepEqual(seen, ["10.0.0.1,10.9.9.9", "http", null, null, example]);
    assert.deepEqual(explainHeaders("gateway", {}, names).seen, ["10.9.9.9", "http", null, null, example]);
    const inMesh = explainHeaders("mesh", { ...sent, "x-request-id": "own" }, names);
    assert.deepEqual(inMesh.seen, ["10.0.0.1", "https", "true", null, "own"]);
    assert.deepEqual(explainHeaders("mesh", {}, names).seen, [null, "http", null, null, example]);

    const text = written(atEdge);
    assert.match(text, /^ +naru writes x-forwarded-for itself, and routes see that: 10\.0\.0\.1,10\.9\.9\.9$/m);
    assert.match(text, /^ +naru writes x-forwarded-proto itself, and routes see that: http$/m);
    assert.match(text, /^ +naru drops x-envoy-internal of a client, so no route sees it$/m);
    assert.doesNotMatch(text, /writes x-request-id/, "nobody asked with one");
    assert.match(
      written(explain("shop.example", "/", { "x-request-id": "own" })),
      /x-request-id .*: a new one for each request$/m,
    );
    const { replacedHeaders } = explanationData(atEdge, endpoints) as { replacedHeaders: unknown };
    assert.deepEqual(replacedHeaders, {
      "x-forwarded-for": "10.0.0.1,10.9.9.9",
      "x-forwarded-proto": "http",
      "x-envoy-internal": null,
      "x-forwarded-client-cert": null,
      "x-request-id": example,
    });
  });

  test("is plain data for programs, with the answer under `matched`", () => {
    const data = explanationData(explain("shop.example", "/"), endpoints);
    assert.deepEqual(JSON.parse(JSON.stringify(data)), data);
    const { matched, routes } = data as { matched: { position: unknown }; routes: { outcome: string }[] };
    assert.deepEqual(matched.position, restRoute.origin.position);
    assert.deepEqual(
      routes.map(({ outcome }) => outcome),
      ["failed", "matched"],
    );
  });
});
