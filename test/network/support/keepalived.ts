// SPDX-License-Identifier: Apache-2.0
// Debian's keepalived (VRRP) as another owner of addresses: it puts them on its interface, says so by gratuitous ARP and
// unsolicited advertisements, and its kernel answers for them.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { scratch } from "./routers.ts";
import { collect, moreOf, type Host, type HostProcess } from "./test-network.ts";

/** One VRRP instance for each address, alone on the network and so master at once. */
function configOf(addresses: readonly string[]): string {
  const instances = addresses.map(
    (address, at) => `vrrp_instance v${at} {
  state MASTER
  interface eth0
  virtual_router_id ${at + 1}
  priority 200
  advert_int 0.1
  virtual_ipaddress { ${address} }
}`,
  );
  return ["global_defs { vrrp_version 3 }", ...instances, ""].join("\n");
}

export class Keepalived {
  readonly #process: HostProcess;

  private constructor(process: HostProcess) {
    this.#process = process;
  }

  /** Resolves once it is master of all addresses (`10.0.0.1/24`), on eth0. */
  static async start(t: TestContext, host: Host, ...addresses: readonly string[]): Promise<Keepalived> {
    const folder = await scratch(t);
    const file = (name: string): string => join(folder, name);
    await writeFile(file("keepalived.conf"), configOf(addresses));
    const pids = ["--pid", file("pid"), "--vrrp_pid", file("vrrp-pid")];
    const command = ["--dont-fork", "--log-console", "--vrrp", "--use-file", file("keepalived.conf"), ...pids];
    const process = host.start("keepalived", ...command);
    process.stdout.resume();
    const log = collect(process.stderr);
    while ([...log().matchAll(/Entering MASTER STATE/g)].length < addresses.length) {
      if (process.exitCode !== null) throw new Error(`keepalived ended: ${log()}`);
      await moreOf(process.stderr, process);
    }
    return new Keepalived(process);
  }

  /** It takes its addresses away and ends. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }
}
