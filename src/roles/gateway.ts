// SPDX-License-Identifier: Apache-2.0
// `naru gateway`: the ingress gateway. Says what it does in its log only.

import { parsePaths, type CommandContext, type OptionValues } from "../cli/index.ts";
import { formatHostPort } from "../core/index.ts";
import { serveOptionsFrom } from "./serve-options.ts";
import { serveUntilStopped } from "./serve-until-stopped.ts";

/** The command. */
export async function runGateway(values: OptionValues, context: CommandContext): Promise<number> {
  const announce = values.flag("announce") ? "always" : null;
  const options = serveOptionsFrom(values, parsePaths(values), { meshPort: null, announce });
  return await serveUntilStopped(options, context, ({ dataPlane, logger }) => {
    const addresses = dataPlane.listeners().map(({ address, port }) => formatHostPort(address, port));
    logger.info("gateway is ready", { listeners: addresses.join(",") });
  });
}
