// SPDX-License-Identifier: Apache-2.0
// `naru convert`: MetalLB's old ConfigMap as resources of today.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { runNaru } from "./support/run-naru.ts";
import { openWorkspace } from "./support/workspace.ts";

const configMap = (text: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: metallb-system, name: config}\ndata:\n  config: |\n${text.replaceAll(/^(?=.)/gm, "    ")}`;

suite("naru convert metallb-configmap", { concurrency: 2 }, () => {
  test("prints the resources that stand for a ConfigMap", async () => {
    const { code, stdout, stderr } = await runNaru([
      "convert",
      "metallb-configmap",
      "-f",
      "seeds/metallb-l2config.yaml",
    ]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.equal(
      stdout,
      `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: nginx-ip-range
  namespace: metallb-system
spec:
  addresses:
    - 192.168.1.11-192.168.1.13
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata:
  name: l2advertisement1
  namespace: metallb-system
spec:
  ipAddressPools:
    - nginx-ip-range
`,
    );
  });

  test("prints what naru and Kubernetes take, also where names were free before", async () => {
    await using workspace = await openWorkspace();
    const file = await workspace.write(
      "old.yaml",
      configMap(`peers:
- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, password: secret, bfd-profile: Fast_One}
address-pools:
- {name: Public_Pool, protocol: bgp, addresses: [198.51.100.0/24]}
bfd-profiles:
- {name: Fast_One, receive-interval: 100}
`),
    );
    const converted = await runNaru(["convert", "metallb-configmap", "-f", file]);
    assert.equal(converted.code, 0);
    assert.match(
      converted.stderr,
      /old\.yaml:9:7 IPAddressPool\/metallb-system\/Public_Pool metadata\.name: .* it is public-pool now/,
    );
    const documents = parseAllDocuments(converted.stdout).map((document) => document.toJS() as unknown);
    assert.deepEqual(documents, [
      {
        apiVersion: "metallb.io/v1beta2",
        kind: "BGPPeer",
        metadata: { name: "peer1", namespace: "metallb-system" },
        spec: { myASN: 1, peerASN: 2, peerAddress: "10.0.0.1", password: "secret", bfdProfile: "fast-one" },
      },
      {
        apiVersion: "metallb.io/v1beta1",
        kind: "IPAddressPool",
        metadata: { name: "public-pool", namespace: "metallb-system" },
        spec: { addresses: ["198.51.100.0/24"] },
      },
      {
        apiVersion: "metallb.io/v1beta1",
        kind: "BGPAdvertisement",
        metadata: { name: "bgpadvertisement1", namespace: "metallb-system" },
        spec: { ipAddressPools: ["public-pool"] },
      },
      {
        apiVersion: "metallb.io/v1beta1",
        kind: "BFDProfile",
        metadata: { name: "fast-one", namespace: "metallb-system" },
        spec: { receiveInterval: 100 },
      },
    ]);
    const today = await workspace.write("new.yaml", converted.stdout);
    const validated = await runNaru(["validate", today]);
    assert.deepEqual([validated.code, validated.stdout], [0, "4 resources read: 0 errors, 0 warnings\n"]);
  });

  test("prints nothing to stdout when anything is wrong, and where it is to stderr", async () => {
    await using workspace = await openWorkspace();
    const file = await workspace.write(
      "old.yaml",
      configMap("address-pools:\n- {name: p, protocol: layer2, addresses: [10.0.0.0/33]}\n"),
    );
    const { code, stdout, stderr } = await runNaru(["convert", "metallb-configmap", "-f", file]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /old\.yaml:7:47 ConfigMap\/metallb-system\/config data\.config\.address-pools\[0\]\.addresses\[0\]: .* \[VALUE\] \(error\)\n$/,
    );
  });

  test("refuses names that would meet", async () => {
    await using workspace = await openWorkspace();
    const pools = ["a-b", "A_B"].map(
      (name, at) => `- {name: ${name}, protocol: layer2, addresses: [10.0.${at}.0/24]}\n`,
    );
    const file = await workspace.write("old.yaml", configMap(`address-pools:\n${pools.join("")}`));
    const { code, stdout, stderr } = await runNaru(["convert", "metallb-configmap", "-f", file]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /old\.yaml:8:7 IPAddressPool\/metallb-system\/A_B metadata\.name: .* rename it first/);
  });

  for (const [args, exitCode, says] of [
    [
      ["metallb-configmap", "-f", "seeds/metallb-crds.yaml"],
      1,
      /^naru: no ConfigMap of MetalLB in seeds\/metallb-crds\.yaml\n$/,
    ],
    [["metallb-configmap", "-f", "gone.yaml"], 1, /^gone\.yaml:1:1: .* \[FILE_UNREADABLE\] \(error\)\n$/],
    [["metallb-configmap"], 2, /^naru: no file given/],
    [["-f", "seeds"], 2, /^naru: no format given/],
    [["helm", "-f", "seeds"], 2, /^naru: unknown format 'helm'/],
  ] as const) {
    test(`convert ${args.join(" ")}: exit code ${exitCode}`, async () => {
      const { code, stdout, stderr } = await runNaru(["convert", ...args]);
      assert.deepEqual([code, stdout], [exitCode, ""]);
      assert.match(stderr, says);
    });
  }
});
