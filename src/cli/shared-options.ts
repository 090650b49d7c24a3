// SPDX-License-Identifier: Apache-2.0
// Options that several commands have, as data: one wording for one thing.

import type { OptionSpec, PositionalSpec } from "./command.ts";

export const paths: PositionalSpec = {
  placeholder: "PATH",
  description: "A YAML or JSON file, or a directory of them; the same as -f",
  repeatable: true,
};

export const filename: OptionSpec = {
  kind: "path",
  name: "filename",
  short: "f",
  placeholder: "PATH",
  repeatable: true,
  description: "Read resources from this file, or from all .yaml, .yml and .json files in this directory",
};

export const help: OptionSpec = { kind: "flag", name: "help", short: "h", description: "Show this help" };

export const logLevel: OptionSpec = {
  kind: "choice",
  name: "log-level",
  choices: ["trace", "debug", "info", "warning", "error", "off"],
  default: "info",
  description: "Least severe messages to log; debug and trace also show stacks of failures",
};

export const logFormat: OptionSpec = {
  kind: "choice",
  name: "log-format",
  choices: ["text", "json"],
  default: "text",
  description: "Format of the log on stderr",
};

export const adminBind: OptionSpec = {
  kind: "text",
  name: "admin-bind",
  placeholder: "HOST",
  default: "127.0.0.1",
  description: "Address of the admin pages; they can change and reveal things, so keep them local",
};

export const output: OptionSpec = {
  kind: "choice",
  name: "output",
  short: "o",
  choices: ["table", "json", "yaml"],
  default: "table",
  description: "Format of the answer",
};
