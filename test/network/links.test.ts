// SPDX-License-Identifier: Apache-2.0
// The interfaces of a machine as naru reads them, against what iproute2 says.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import type { LinkInfo } from "../../src/platform/index.ts";
import { TestNetwork } from "./support/test-network.ts";

const printLinks = fileURLToPath(new URL("support/print-links.ts", import.meta.url));

/** `ip -json address`, as far as it is looked at. */
interface IprouteLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly link_type: string;
  readonly address: string;
  readonly master?: string;
  readonly addr_info: readonly {
    readonly family: "inet" | "inet6";
    readonly local: string;
    readonly prefixlen: number;
    readonly tentative?: boolean;
  }[];
}

suite("interfaces", () => {
  test("are read as iproute2 shows them", async (t) => {
    const network = TestNetwork.open(t);
    if (network === null) return;
    const [lan, host] = [await network.lan("lan"), await network.host("node")];
    await network.connect(host, lan, { addresses: ["10.9.0.1/24", "10.9.0.7/32", "fd00:9::1/64"] });
    await network.connect(host, lan, { interface: "eth1", mac: "02:00:00:00:00:05" });
    await host.ip(
      "link add br0 type bridge",
      "link set eth1 master br0",
      "link set eth1 arp off",
      "link add ghost type veth peer name ghost1",
      "address add 192.0.2.1 peer 192.0.2.2/32 dev br0",
    );
    const show = async (): Promise<string> => host.run("ip", "-json", "address");
    let links: LinkInfo[];
    let text: string;
    // A link-local address comes some milliseconds after its interface: nothing may change while we look.
    do {
      text = await show();
      links = JSON.parse(await host.run(process.execPath, printLinks)) as LinkInfo[];
    } while ((await show()) !== text);
    const shown = JSON.parse(text) as IprouteLink[];
    assert.ok(links.length >= 6, `${links.length} interfaces`);
    assert.deepEqual(
      links,
      shown.toSorted((left, right) => left.ifindex - right.ifindex).map((each) => asOurs(each, shown)),
    );
  });
});

function asOurs(link: IprouteLink, all: readonly IprouteLink[]): LinkInfo {
  const has = (flag: string): boolean => link.flags.includes(flag);
  return {
    name: link.ifname,
    index: link.ifindex,
    mac: link.link_type === "ether" ? link.address : "",
    up: has("UP"),
    // iproute2 leaves RUNNING out, and says NO-CARRIER of what is switched on and does not run.
    running: has("UP") && !has("NO-CARRIER"),
    noArp: has("NOARP"),
    loopback: has("LOOPBACK"),
    broadcast: has("BROADCAST"),
    master: all.find(({ ifname }) => ifname === link.master)?.ifindex ?? 0,
    addresses: link.addr_info.map(({ family, local, prefixlen, tentative }) => ({
      family: family === "inet" ? 4 : 6,
      address: local,
      prefixLength: prefixlen,
      usable: tentative !== true,
    })),
  };
}
