// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { checkFiles, type FilesQuestion } from "../../../../src/roles/doctor/check-files.ts";
import { core, doc, peer, pool, service } from "../../announce/link/linking.ts";
import { complaints, files } from "./builders.ts";

const lan = pool("lan", "10.9.0.200-10.9.0.202");
const layer2 = doc("L2Advertisement", "ad");
const bgp = [doc("BGPAdvertisement", "ad"), peer("router")];
const web = service("web");
const elsewhere = `{nodeSelectors: [{matchLabels: {"kubernetes.io/hostname": b}}]}`;
const outside = pool("far", "10.77.0.1-10.77.0.9");
const off = "no interface of this node is in the subnet of the address";

interface Row {
  readonly name: string;
  readonly documents: readonly string[];
  readonly more?: Partial<FilesQuestion>;
  readonly says: readonly string[];
}

const rows: readonly Row[] = [
  { name: "a service that this node announces", documents: [lan, layer2, web], says: [] },
  {
    name: "no service",
    documents: [lan, layer2],
    says: ["warning addresses: there is no Service of type LoadBalancer that is served here; see --lb-class"],
  },
  {
    name: "a pool that nothing announces",
    documents: [lan, web],
    says: [
      "warning files: vip.yaml:1:1 IPAddressPool/metallb-system/lan: services get addresses of this pool, and nobody announces them; add an L2Advertisement or a BGPAdvertisement for lan [UNATTACHED]",
      "error announcements: default/web: no advertisement is about its pool",
    ],
  },
  {
    name: "a pool that is too small",
    documents: [lan, layer2, ...[1, 2, 3, 4, 5].map((each) => service(`s${each}`))],
    says: ["error addresses: default/s4, default/s5: no IPv4 address is free in lan"],
  },
  {
    name: "an address that cannot be kept",
    documents: [
      lan,
      layer2,
      core(
        "Service",
        "name: web",
        "spec: {type: LoadBalancer, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 10.1.1.1}]}}",
      ),
    ],
    says: ["warning addresses: default/web: 10.1.1.1 cannot be kept: 10.1.1.1 is in no pool"],
  },
  {
    name: "addresses that are in no subnet of this node",
    documents: [outside, layer2, ...[1, 2, 3, 4, 5].map((each) => service(`s${each}`))],
    says: [
      `error announcements: default/s1 (10.77.0.1), default/s2 (10.77.0.2), default/s3 (10.77.0.3) and 2 more: ${off}`,
    ],
  },
  {
    name: "such addresses when there are other nodes",
    documents: [outside, layer2, web],
    more: { alone: false },
    says: [`warning announcements: default/web (10.77.0.1): ${off}`],
  },
  {
    name: "such addresses, announced by BGP as well",
    documents: [outside, layer2, ...bgp, web],
    says: [`error announcements: default/web (10.77.0.1): ${off}`],
  },
  {
    name: "such addresses, when interfaces are unknown",
    documents: [outside, layer2, web],
    more: { links: null },
    says: [],
  },
  { name: "such addresses by BGP", documents: [outside, ...bgp, web], says: [] },
  {
    name: "a peer for another node",
    documents: [lan, doc("BGPAdvertisement", "ad"), peer("router", `, nodeSelectors: [{matchLabels: {rack: b}}]`), web],
    says: ["error announcements: default/web (10.9.0.200): no BGPPeer is for this node and its advertisements"],
  },
  {
    name: "an advertisement for another node",
    documents: [lan, doc("L2Advertisement", "ad", elsewhere), web],
    more: { alone: false },
    says: [
      "warning announcements: default/web (10.9.0.200): no advertisement of its pool matches the service and this node",
    ],
  },
  {
    name: "a shared address that is announced by service, which is wrong on every node",
    documents: [
      lan,
      doc("L2Advertisement", "ad", "{serviceSelectors: [{matchLabels: {app: web}}]}"),
      service("web", "", ", labels: {app: web}, annotations: {metallb.io/allow-shared-ip: key}"),
    ],
    more: { alone: false },
    says: [
      "error announcements: default/web (10.9.0.200): its address may be shared, and an advertisement selects services",
    ],
  },
  {
    name: "a service without endpoints",
    documents: [lan, layer2, web, core("Endpoints", "name: web", "subsets: []")],
    says: ["warning announcements: default/web (10.9.0.200): no endpoint of it serves"],
  },
];

suite("files", () => {
  for (const { name, documents, more, says } of rows) {
    test(name, () => assert.deepEqual(complaints(checkFiles(files(documents, more))), says));
  }
});
