// SPDX-License-Identifier: Apache-2.0
// IPAddressPool, L2Advertisement, BGPAdvertisement, Community and the selectors they share.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, decodeOne, problemsOf } from "../decoding.ts";
import { base, metallb } from "./documents.ts";

const none = { matchLabels: {}, matchExpressions: [] };

describe("IPAddressPool", () => {
  it("has defaults", () => {
    assert.deepEqual(decodeOne("IPAddressPool", metallb("IPAddressPool", "{addresses: [10.0.0.0/24]}")), {
      kind: "IPAddressPool",
      ...base,
      ranges: [
        {
          position: { file: "test.yaml", line: 4, column: 20 },
          text: "10.0.0.0/24",
          family: 4,
          first: "10.0.0.0",
          last: "10.0.0.255",
        },
      ],
      autoAssign: true,
      avoidBuggyIPs: false,
      serviceAllocation: null,
    });
  });

  it("takes every field", () => {
    const spec =
      "{addresses: [10.0.0.0/24], autoAssign: false, avoidBuggyIPs: true, serviceAllocation: {priority: 7, namespaces: [a, b], namespaceSelectors: [{}], serviceSelectors: [{matchLabels: {a: b}}]}}";
    const pool = decodeOne("IPAddressPool", metallb("IPAddressPool", spec));
    assert.deepEqual([pool.autoAssign, pool.avoidBuggyIPs], [false, true]);
    assert.deepEqual(pool.serviceAllocation, {
      priority: 7,
      namespaces: ["a", "b"],
      namespaceSelectors: [none],
      serviceSelectors: [{ matchLabels: { a: "b" }, matchExpressions: [] }],
    });
  });

  it("may be meant for particular services without saying which", () => {
    const pool = decodeOne(
      "IPAddressPool",
      metallb("IPAddressPool", "{addresses: [10.0.0.1/32], serviceAllocation: {}}"),
    );
    assert.deepEqual(pool.serviceAllocation, {
      priority: 0,
      namespaces: [],
      namespaceSelectors: [],
      serviceSelectors: [],
    });
  });

  const ranges: readonly (readonly [written: string, first: string, last: string])[] = [
    ["10.0.0.0/24", "10.0.0.0", "10.0.0.255"],
    ["10.0.0.77/24", "10.0.0.0", "10.0.0.255"],
    ["10.0.0.7/32", "10.0.0.7", "10.0.0.7"],
    ["0.0.0.0/0", "0.0.0.0", "255.255.255.255"],
    ["10.0.0.9-10.0.1.2", "10.0.0.9", "10.0.1.2"],
    ["  10.0.0.9 - 10.0.0.9 ", "10.0.0.9", "10.0.0.9"],
    ["FD00::/126", "fd00::", "fd00::3"],
    ["fd00:0:0::1-fd00::FF", "fd00::1", "fd00::ff"],
  ];
  for (const [written, first, last] of ranges) {
    it(`reads ${written}`, () => {
      const pool = decodeOne("IPAddressPool", metallb("IPAddressPool", `{addresses: ["${written}"]}`));
      const [range] = pool.ranges;
      assert.deepEqual([range?.text, range?.first, range?.last], [written, first, last]);
      assert.equal(range?.family, first.includes(":") ? 6 : 4);
    });
  }

  const addresses: readonly (readonly [written: string, message: RegExp])[] = [
    ["10.0.0.0", /"10\.0\.0\.0" is no range of addresses/],
    ["10.0.0.0/33", /is no range of addresses/],
    ["10.0.0/24", /is no range of addresses/],
    ["10.0.0.0/", /is no range of addresses/],
    ["10.0.0.x-10.0.0.9", /"10\.0\.0\.x", where the range starts, is no IP address/],
    ["10.0.0.1-", /"", where the range ends, is no IP address/],
    ["10.0.0.9-10.0.0.1", /start of the range is after its end/],
    ["10.0.0.1-fd00::1", /both its ends in one address family/],
  ];
  for (const [written, message] of addresses) {
    it(`refuses ${written}`, () => {
      const { problems, resources } = decode(metallb("IPAddressPool", `{addresses: [10.9.0.0/24, "${written}"]}`));
      assert.deepEqual(
        problems.map(({ code, path }) => [code, path]),
        [["VALUE", "spec.addresses[1]"]],
      );
      assert.match(problems[0]!.message, message);
      assert.deepEqual(resources, []);
    });
  }

  const wrong: readonly (readonly [spec: string, problems: readonly string[]])[] = [
    ["", ["error REQUIRED "]],
    ["{}", ["error REQUIRED spec"]],
    ["{addresses: []}", ["error REQUIRED spec.addresses"]],
    ["{addresses: 10.0.0.0/24}", ["error TYPE spec.addresses"]],
    ["{addresses: [5]}", ["error TYPE spec.addresses[0]"]],
    ["{addresses: [10.0.0.0/24, 10.0.0.9-10.0.0.10, 10.0.1.0/24]}", ["error CONFLICT spec.addresses[1]"]],
    ["{addresses: [10.0.0.0/24, 10.0.0.0/24]}", ["error CONFLICT spec.addresses[1]"]],
    ["{addresses: [10.0.0.0/24], autoAssign: maybe}", ["error TYPE spec.autoAssign"]],
    ["{addresses: [10.0.0.0/24], avoidBuggyIPs: 'true'}", ["error TYPE spec.avoidBuggyIPs"]],
    ["{addresses: [10.0.0.0/24], serviceAllocation: {priority: -1}}", ["error VALUE spec.serviceAllocation.priority"]],
    [
      "{addresses: [10.0.0.0/24], serviceAllocation: {namespaces: [a, b, a]}}",
      ["error CONFLICT spec.serviceAllocation.namespaces[2]"],
    ],
    [
      "{addresses: [10.0.0.0/24], serviceAllocation: {namespaceSelectors: [{}, {}]}}",
      ["error CONFLICT spec.serviceAllocation.namespaceSelectors[1]"],
    ],
    [
      "{addresses: [10.0.0.0/24], serviceAllocation: {serviceSelectors: [{matchLabels: {a: b, c: d}}, {matchLabels: {c: d, a: b}}]}}",
      ["error CONFLICT spec.serviceAllocation.serviceSelectors[1]"],
    ],
    ["{addresses: [10.0.0.0/24], autoasign: true}", ["warning UNKNOWN_FIELD spec.autoasign"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`says what is wrong with ${spec || "no spec"}`, () => {
      assert.deepEqual(problemsOf(metallb("IPAddressPool", spec)), expected);
    });
  }

  it("says everything that is wrong at once", () => {
    const spec = "{addresses: [10.0.0.0/33, x], autoAssign: 1, serviceAllocation: {namespaces: [a, a]}}";
    assert.equal(problemsOf(metallb("IPAddressPool", spec)).length, 4);
  });
});

describe("label selectors", () => {
  const pool = (selector: string): string => metallb("L2Advertisement", `{nodeSelectors: [${selector}]}`);

  it("take labels and all four operators", () => {
    const expressions =
      "[{key: a, operator: In, values: [b, c]}, {key: d, operator: NotIn, values: [e]}, {key: f, operator: Exists}, {key: g, operator: DoesNotExist, values: []}]";
    const { nodeSelectors } = decodeOne(
      "L2Advertisement",
      pool(`{matchLabels: {x.io/a: b}, matchExpressions: ${expressions}}`),
    );
    assert.deepEqual(nodeSelectors, [
      {
        matchLabels: { "x.io/a": "b" },
        matchExpressions: [
          { key: "a", operator: "In", values: ["b", "c"] },
          { key: "d", operator: "NotIn", values: ["e"] },
          { key: "f", operator: "Exists", values: [] },
          { key: "g", operator: "DoesNotExist", values: [] },
        ],
      },
    ]);
  });

  const at = "spec.nodeSelectors[0].matchExpressions";
  const wrong: readonly (readonly [selector: string, problems: readonly string[]])[] = [
    ["{matchExpressions: [{operator: Exists}]}", [`error REQUIRED ${at}[0]`]],
    ["{matchExpressions: [{key: a}]}", [`error REQUIRED ${at}[0]`]],
    ["{matchExpressions: [{key: a, operator: Is}]}", [`error VALUE ${at}[0].operator`]],
    ["{matchExpressions: [{key: a, operator: In}]}", [`error REQUIRED ${at}[0]`]],
    ["{matchExpressions: [{key: a, operator: Exists, values: [b]}]}", [`error CONFLICT ${at}[0].values`]],
    ["{matchExpressions: [{key: a, operator: In, values: [b, b]}]}", [`error CONFLICT ${at}[0].values[1]`]],
    [
      "{matchExpressions: [{key: a, operator: In, values: [b, c]}, {key: a, operator: In, values: [c, b]}]}",
      [`error CONFLICT ${at}[1]`],
    ],
    ["{matchLabels: {a: 1}}", ["error TYPE spec.nodeSelectors[0].matchLabels.a"]],
    ["{matchLabels: {-a: b}}", ["error VALUE spec.nodeSelectors[0].matchLabels.-a"]],
  ];
  for (const [selector, expected] of wrong) {
    it(`say what is wrong with ${selector}`, () => assert.deepEqual(problemsOf(pool(selector)), expected));
  }
});

describe("L2Advertisement", () => {
  const nothing = {
    pools: [],
    poolSelectors: [],
    nodeSelectors: [],
    serviceSelectors: [],
    interfaces: [],
    preferredNodes: [],
  };

  for (const spec of ["", "{}"]) {
    it(`is for everything with ${spec || "no spec"}`, () => {
      const decoded = decodeOne("L2Advertisement", metallb("L2Advertisement", spec));
      assert.deepEqual(decoded, { kind: "L2Advertisement", ...base, ...nothing });
    });
  }

  it("takes every field", () => {
    const spec =
      "{ipAddressPools: [a, b], ipAddressPoolSelectors: [{}], nodeSelectors: [{}], serviceSelectors: [{}], interfaces: [eth0, eth1], preferredNodeSelectors: [{weight: 7, preference: {}}, {weight: 100, preference: {}}]}";
    assert.deepEqual(decodeOne("L2Advertisement", metallb("L2Advertisement", spec)), {
      kind: "L2Advertisement",
      ...base,
      pools: ["a", "b"],
      poolSelectors: [none],
      nodeSelectors: [none],
      serviceSelectors: [none],
      interfaces: ["eth0", "eth1"],
      preferredNodes: [
        { weight: 7, preference: none },
        { weight: 100, preference: none },
      ],
    });
  });

  const wrong: readonly (readonly [spec: string, problems: readonly string[]])[] = [
    ["{ipAddressPools: [a, a]}", ["error CONFLICT spec.ipAddressPools[1]"]],
    ["{ipAddressPoolSelectors: [{}, {}]}", ["error CONFLICT spec.ipAddressPoolSelectors[1]"]],
    ["{nodeSelectors: [{}, {}]}", ["error CONFLICT spec.nodeSelectors[1]"]],
    ["{serviceSelectors: [{}, {}]}", ["error CONFLICT spec.serviceSelectors[1]"]],
    ["{interfaces: [a, a]}", ["error CONFLICT spec.interfaces[1]"]],
    ["{interfaces: eth0}", ["error TYPE spec.interfaces"]],
    ["{preferredNodeSelectors: [{preference: {}}]}", ["error REQUIRED spec.preferredNodeSelectors[0]"]],
    ["{preferredNodeSelectors: [{weight: 1}]}", ["error REQUIRED spec.preferredNodeSelectors[0]"]],
    [
      "{preferredNodeSelectors: [{weight: 101, preference: {}}]}",
      ["error VALUE spec.preferredNodeSelectors[0].weight"],
    ],
    ["{peers: [a]}", ["warning UNKNOWN_FIELD spec.peers"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`says what is wrong with ${spec}`, () =>
      assert.deepEqual(problemsOf(metallb("L2Advertisement", spec)), expected));
  }
});

describe("BGPAdvertisement", () => {
  const nothing = {
    pools: [],
    poolSelectors: [],
    nodeSelectors: [],
    serviceSelectors: [],
    aggregationLength: 32,
    aggregationLengthV6: 128,
    localPref: 0,
    communities: [],
    peers: [],
  };

  for (const spec of ["", "{}"]) {
    it(`is for everything with ${spec || "no spec"}`, () => {
      const decoded = decodeOne("BGPAdvertisement", metallb("BGPAdvertisement", spec));
      assert.deepEqual(decoded, { kind: "BGPAdvertisement", ...base, ...nothing });
    });
  }

  it("takes every field", () => {
    const spec =
      "{ipAddressPools: [a], ipAddressPoolSelectors: [{}], nodeSelectors: [{}], aggregationLength: 24, aggregationLengthV6: 64, localPref: 4294967295, communities: ['65535:65282', 'large:4294967295:0:7', no-export], peers: [p, q]}";
    assert.deepEqual(decodeOne("BGPAdvertisement", metallb("BGPAdvertisement", spec)), {
      kind: "BGPAdvertisement",
      ...base,
      ...nothing,
      pools: ["a"],
      poolSelectors: [none],
      nodeSelectors: [none],
      aggregationLength: 24,
      aggregationLengthV6: 64,
      localPref: 4_294_967_295,
      communities: [
        { kind: "standard", value: 0xff_ff_ff_02 },
        { kind: "large", value: [4_294_967_295, 0, 7] },
        { kind: "alias", name: "no-export" },
      ],
      peers: ["p", "q"],
    });
  });

  it("may be for some services, address by address", () => {
    const spec = "{serviceSelectors: [{}], aggregationLength: 32, aggregationLengthV6: 128}";
    assert.deepEqual(problemsOf(metallb("BGPAdvertisement", spec)), []);
  });

  const wrong: readonly (readonly [spec: string, problems: readonly string[]])[] = [
    ["{aggregationLength: 0}", ["error VALUE spec.aggregationLength"]],
    ["{aggregationLength: 33}", ["error VALUE spec.aggregationLength"]],
    ["{aggregationLengthV6: 129}", ["error VALUE spec.aggregationLengthV6"]],
    ["{localPref: -1}", ["error VALUE spec.localPref"]],
    ["{localPref: 4294967296}", ["error VALUE spec.localPref"]],
    ["{serviceSelectors: [{}], aggregationLength: 24}", ["error CONFLICT spec.serviceSelectors"]],
    ["{serviceSelectors: [{}], aggregationLengthV6: 64}", ["error CONFLICT spec.serviceSelectors"]],
    ["{communities: ['1:2', '1:2']}", ["error CONFLICT spec.communities[1]"]],
    ["{communities: ['1:2', '01:2']}", ["error CONFLICT spec.communities[1]"]],
    ["{communities: [a, a]}", ["error CONFLICT spec.communities[1]"]],
    ["{peers: [p, p]}", ["error CONFLICT spec.peers[1]"]],
    ["{ipAddressPools: [p, p]}", ["error CONFLICT spec.ipAddressPools[1]"]],
    ["{interfaces: [eth0]}", ["warning UNKNOWN_FIELD spec.interfaces"]],
    ...[
      "65536:1",
      "1:65536",
      "1:",
      ":1",
      "1:2:3",
      "large:1:2",
      "large:1:2:3:4",
      "large:1:2:4294967296",
      "small:1:2:3",
      "-1:2",
      "0x1:2",
      "1.5:2",
    ].map((community) => [`{communities: ["${community}"]}`, ["error VALUE spec.communities[0]"]] as const),
  ];
  for (const [spec, expected] of wrong) {
    it(`says what is wrong with ${spec}`, () =>
      assert.deepEqual(problemsOf(metallb("BGPAdvertisement", spec)), expected));
  }
});

describe("Community", () => {
  it("gives communities names", () => {
    const spec = "{communities: [{name: a, value: '0:0'}, {name: b, value: 'large:1:2:3'}]}";
    const { communities } = decodeOne("Community", metallb("Community", spec));
    assert.deepEqual(
      communities.map(({ name, value }) => [name, value]),
      [
        ["a", { kind: "standard", value: 0 }],
        ["b", { kind: "large", value: [1, 2, 3] }],
      ],
    );
    assert.equal(communities[0]?.position.line, 4);
  });

  const wrong: readonly (readonly [spec: string, problems: readonly string[]])[] = [
    ["", ["error REQUIRED "]],
    ["{communities: []}", ["error REQUIRED spec.communities"]],
    ["{communities: [{name: a}]}", ["error REQUIRED spec.communities[0]"]],
    ["{communities: [{value: '1:2'}]}", ["error REQUIRED spec.communities[0]"]],
    ["{communities: [{name: a, value: b}]}", ["error VALUE spec.communities[0].value"]],
    ["{communities: [{name: a, value: '1:2'}, {name: a, value: '1:3'}]}", ["error CONFLICT spec.communities[1]"]],
  ];
  for (const [spec, expected] of wrong) {
    it(`says what is wrong with ${spec || "no spec"}`, () =>
      assert.deepEqual(problemsOf(metallb("Community", spec)), expected));
  }
});
