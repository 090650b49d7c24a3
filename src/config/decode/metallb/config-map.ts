// SPDX-License-Identifier: Apache-2.0
// The ConfigMap that MetalLB was configured with from 0.8 to 0.12: one text that stands for several of the resources of
// today. They have the names that MetalLB's own converter gives them.

import type { Position, Resource } from "../../../model/index.ts";
import { documentFields, type Header, type Kind } from "../kind.ts";
import { nestedYaml } from "../nested-yaml.ts";
import type { Place } from "../place.ts";
import { object, required, silent } from "../schema.ts";
import { defaultL2Advertisement } from "./advertisements.ts";
import { configMapSettings } from "./config-map-fields.ts";

type Settings = NonNullable<ReturnType<typeof configMapSettings>>;

const settings = nestedYaml(configMapSettings);

const data = object(
  "kubernetes",
  { config: required(settings, "write the configuration as a text") },
  (fields) => fields,
);

const decodeConfigMap = object(
  "kubernetes",
  {
    ...documentFields,
    data: required(data, "put the configuration under `config`"),
    binaryData: silent,
    immutable: silent,
  },
  (document) => document.data.config,
);

export const metallbConfigMap: Kind = {
  kind: "ConfigMap",
  group: "",
  versions: ["v1"],
  namespaced: true,
  dottedName: true,
  isRead,
  decode(document, header): readonly Resource[] | undefined {
    const decoded = decodeConfigMap(document);
    document
      .child("data")
      ?.child("config")
      ?.reportKey(
        "DEPRECATED",
        "info",
        "MetalLB reads this until 0.12; `naru convert metallb-configmap` prints the resources that stand for it now",
      );
    // Comments alone are a text without settings.
    if (decoded === null) return [];
    return decoded === undefined ? undefined : resourcesOf(decoded, header);
  },
};

/** Many programs keep a `config` in a ConfigMap: it is MetalLB's where MetalLB lives, or when it looks like it. */
function isRead(document: Place): boolean {
  const metadata = document.child("metadata");
  if (metadata?.text("name") !== "config") return false;
  if (metadata.text("namespace") === "metallb-system") return true;
  const text = document.child("data")?.text("config") ?? "";
  return /^["']?(?:address-pools|peers|bgp-communities|bfd-profiles)["']?[ \t]*:/m.test(text);
}

function resourcesOf({ peers, pools, communities, bfdProfiles }: Settings, header: Header): readonly Resource[] {
  const origin = { kind: "ConfigMap", namespace: header.namespace, name: header.name, position: header.position };
  const own = (name: string, position: Position) => ({ ...header, labels: {}, name, position, origin });
  const bgp = pools.flatMap((pool) => (pool.bgp ?? []).map((entry) => ({ ...entry, pools: [pool.name] })));
  const layer2 = pools.filter((pool) => pool.bgp === null);
  return [
    ...peers.map((entry, index): Resource => ({
      kind: "BGPPeer",
      ...entry,
      ...own(`peer${index + 1}`, entry.position),
    })),
    ...pools.map(({ bgp: _bgp, ...entry }): Resource => ({
      kind: "IPAddressPool",
      ...entry,
      ...own(entry.name, entry.position),
    })),
    ...bgp.map((entry, index): Resource => ({
      kind: "BGPAdvertisement",
      ...entry,
      ...own(`bgpadvertisement${index + 1}`, entry.position),
    })),
    ...layer2.map(({ name, position }, index): Resource => ({
      kind: "L2Advertisement",
      ...defaultL2Advertisement,
      pools: [name],
      ...own(`l2advertisement${index + 1}`, position),
    })),
    ...bfdProfiles.map((entry): Resource => ({ kind: "BFDProfile", ...entry, ...own(entry.name, entry.position) })),
    ...(communities.length === 0
      ? []
      : [{ kind: "Community", communities, ...own("communities", communities[0]!.position) } as const]),
  ];
}
