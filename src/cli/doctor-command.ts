// SPDX-License-Identifier: Apache-2.0
// The options of `naru doctor`, as data: those of `naru announce`, so that its command line can be checked as it stands; a row
// of the table in commands.ts.

import { announceCommand } from "./announce-command.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";
import { filename, output, paths } from "./shared-options.ts";

const probe: OptionSpec = {
  kind: "choice",
  name: "probe",
  choices: ["on", "off"],
  default: "off",
  description: "Ask the network for a second whether somebody has an address already; changes nothing there",
};

export const doctorCommand: CommandSpec = {
  name: "doctor",
  summary: "Say what would keep this machine from announcing, and what to do",
  details: [
    "Looks at privileges, ports, interfaces, settings of the kernel and limits; with files also at what is wrong in them, and at what this node would not announce. Takes the options of 'naru announce', to be asked with those that it is to run with, as the same user. Changes nothing.",
    "Exit code 0: no errors (warnings are allowed), 1: errors, 2: wrong command line.",
  ],
  positional: paths,
  options: [filename, output, ...announceCommand.options.filter(({ name }) => name !== "filename").map(replaceProbe)],
  examples: [
    { command: "naru doctor", explains: "this machine alone" },
    { command: "naru doctor -f config/ --node a", explains: "with what config/ asks of it" },
    {
      command: "naru doctor -f config/ --node a --probe on -o json",
      explains: "ask the network as well; for programs",
    },
  ],
};

function replaceProbe(option: OptionSpec): OptionSpec {
  return option.name === "probe" ? probe : option;
}
