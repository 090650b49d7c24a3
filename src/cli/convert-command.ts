// SPDX-License-Identifier: Apache-2.0
// The options of `naru convert`, as data; a row of the table in commands.ts.

import type { CommandSpec } from "./command.ts";
import { filename, help } from "./shared-options.ts";

export const convertCommand: CommandSpec = {
  name: "convert",
  summary: "Print what an old configuration is today, as YAML to apply",
  details: [
    "metallb-configmap: the ConfigMap of MetalLB 0.8 to 0.12 becomes IPAddressPool, L2Advertisement, BGPAdvertisement, BGPPeer, BFDProfile and Community. Other documents are passed over. naru also reads the ConfigMap as it is.",
    "Passwords of BGP peers are printed as they stand in the ConfigMap. Problems go to stderr; exit code 1 and no YAML when one is an error.",
  ],
  positional: { placeholder: "FORMAT", description: "What to convert: metallb-configmap", repeatable: false },
  options: [filename, help],
  examples: [
    {
      command: "naru convert metallb-configmap -f config.yaml",
      explains: "the same configuration in today's resources",
    },
  ],
};
