// SPDX-License-Identifier: Apache-2.0
// Hosts: which covers which, held against the plain definition.

import { createProblemList, sortByKind } from "../../../../src/model/index.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { compareSpecificity, coveringHosts, hostCovers } from "../../../../src/config/link/hosts.ts";
import { boundDomains, linkGateways } from "../../../../src/config/link/gateways.ts";
import { gateway, gatewayOptions, server, virtualService } from "../compile/builders.ts";

/** Few labels, so that random hosts overlap often. */
const label = fc.constantFrom("a", "b", "com");
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const host = fc.oneof(
  name,
  name.map((text) => `*.${text}`),
  fc.constant("*"),
);

describe("hosts", () => {
  const cases = [
    { wide: "*", narrow: "a.com", covers: true },
    { wide: "*", narrow: "*.com", covers: true },
    { wide: "*.com", narrow: "a.com", covers: true },
    { wide: "*.com", narrow: "a.b.com", covers: true },
    { wide: "*.com", narrow: "*.b.com", covers: true },
    { wide: "*.com", narrow: "com", covers: false },
    { wide: "*.b.com", narrow: "ab.com", covers: false },
    { wide: "*.b.com", narrow: "*.com", covers: false },
    { wide: "*.com", narrow: "*", covers: false },
    { wide: "a.com", narrow: "*.com", covers: false },
    { wide: "a.com", narrow: "a.com", covers: true },
  ];
  for (const { wide, narrow, covers } of cases) {
    it(`${wide} ${covers ? "covers" : "does not cover"} ${narrow}`, () =>
      assert.equal(hostCovers(wide, narrow), covers));
  }

  it("lists exactly the hosts that cover one, most specific first", () => {
    fc.assert(
      fc.property(host, fc.array(host, { maxLength: 8 }), (one, others) => {
        const covering = coveringHosts(one);
        for (const other of others) assert.equal(covering.includes(other), hostCovers(other, one), `${other} ${one}`);
        for (let index = 1; index < covering.length; index++) {
          assert.ok(hostCovers(covering[index]!, covering[index - 1]!));
        }
      }),
    );
  });

  it("are ordered names first, then longer ones, then by the alphabet", () => {
    const sorted = ["*", "*.b.com", "b.com", "a.com", "long.a.com", "*.com"].toSorted(compareSpecificity);
    assert.deepEqual(sorted, ["long.a.com", "a.com", "b.com", "*.b.com", "*.com", "*"]);
  });
});

describe("domains that a VirtualService gets from a Gateway", () => {
  it("are the narrower host of every overlapping pair", () => {
    const namespace = fc.constantFrom("*", "default", "other");
    const serverHost = fc.tuple(namespace, host).map(([left, right]) => `${left}/${right}`);
    fc.assert(
      fc.property(
        fc.array(serverHost, { minLength: 1, maxLength: 6 }),
        fc.array(host, { minLength: 1, maxLength: 4 }),
        (servers, hosts) => {
          const resources = sortByKind([gateway({ servers: [server(servers)] })]);
          const linked = linkGateways(resources, gatewayOptions, createProblemList());
          const found = boundDomains(linked.listeners[0]!.servers.get("default/gw")!, virtualService({ hosts }));
          const expected = new Set<string>();
          for (const text of servers) {
            const [admitted = "", serverSide = ""] = text.split("/");
            if (admitted === "other") continue;
            for (const own of hosts) {
              if (hostCovers(serverSide, own)) expected.add(own);
              else if (hostCovers(own, serverSide)) expected.add(serverSide);
            }
          }
          assert.deepEqual(found, [...expected].toSorted(compareSpecificity));
        },
      ),
    );
  });
});
