// SPDX-License-Identifier: Apache-2.0
// Asks the admin pages of a running announcer.

import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

import { CliError, exitCodes } from "../../cli/index.ts";
import { formatHostPort, messageOf } from "../../core/index.ts";
import type { LiveVips } from "./live-vips.ts";

const timeoutMs = 5_000;

/** Throws a CliError when nobody answers there, or no announcer. */
export async function askAnnouncer(host: string, port: number): Promise<LiveVips> {
  const where = formatHostPort(host, port);
  const reply = await fetchText(host, port).catch((error: unknown) => {
    const hint = "Is 'naru announce' running there? --admin takes the address of its --admin-port.";
    throw new CliError(exitCodes.failure, `no answer from ${where}: ${messageOf(error)}`, hint, { cause: error });
  });
  if (reply === null) {
    throw new CliError(exitCodes.failure, `${where} has no page /vips`, "It is not the admin port of 'naru announce'.");
  }
  return JSON.parse(reply) as LiveVips;
}

/** null = it has no such page. */
async function fetchText(host: string, port: number): Promise<string | null> {
  const signal = AbortSignal.timeout(timeoutMs);
  const request = get({ host, port, path: "/vips?format=json", agent: false, signal });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const body = await text(response);
  const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
  return response.statusCode === 200 && isJson ? body : null;
}
