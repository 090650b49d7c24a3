// SPDX-License-Identifier: Apache-2.0
// The real `naru announce` on several nodes of one Ethernet, from one directory of files, and a client that sees them.

import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { LiveVips } from "../../../src/roles/announce/live-vips.ts";
import {
  collect,
  moreOf,
  type Finished,
  type Host,
  type HostProcess,
  type Lan,
  type NetworkOwner,
  type TestNetwork,
} from "./test-network.ts";

export const naru = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

/** Of the first service. */
export const vips = ["10.9.0.200", "fd00:9::200"] as const;

/** A pool of eleven addresses, announced by layer 2, and as many services as there are names. */
export function layer2Yaml(...services: readonly string[]): string {
  return `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec: {addresses: [10.9.0.200-10.9.0.210, fd00:9::200-fd00:9::210]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
${services.map(serviceYaml).join("")}`;
}

function serviceYaml(name: string): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {type: LoadBalancer, ipFamilyPolicy: PreferDualStack, ports: [{port: 80}], selector: {app: ${name}}}
`;
}

/** A host on which naru runs, or does not. */
export class ClusterNode {
  readonly host: Host;
  readonly name: string;
  readonly mac: string;
  readonly #folder: string;
  #adminPort = 7471;
  #process: HostProcess | null = null;
  #log: () => string = () => "";

  constructor(host: Host, name: string, mac: string, folder: string) {
    this.host = host;
    this.name = name;
    this.mac = mac;
    this.#folder = folder;
  }

  /** Everything it logged since it was started last. */
  get log(): string {
    return this.#log();
  }

  /** Starts it; `heard` waits for it. */
  launch(...options: readonly string[]): void {
    this.#adminPort = 7471;
    this.#launch("announce", options);
  }

  /** Starts a gateway that announces, with the files of all nodes and the one of this node alone. */
  launchGateway(ownFile: string, ...options: readonly string[]): void {
    this.#adminPort = 15_000;
    const threads = options.includes("--concurrency") ? [] : ["--concurrency", "1"];
    this.#launch("gateway", ["--announce", ...threads, "-f", ownFile, ...options]);
  }

  /** Starts all that the files say, with those of all nodes and the one of this node alone. */
  launchUp(ownFile: string, ...options: readonly string[]): void {
    this.#adminPort = 15_000;
    this.#launch("up", ["-f", ownFile, ...options]);
  }

  #launch(command: string, options: readonly string[]): void {
    const key = join(this.#folder, "key");
    const files = ["-f", join(this.#folder, "config"), "--node", this.name, "--key-file", key];
    this.#process = this.host.node(naru, command, ...files, ...options);
    this.#process.stdout.resume();
    this.#log = collect(this.#process.stderr);
  }

  /** Starts such a gateway by way of another program, and waits for its end. */
  async runGatewayBy(program: string, ...args: readonly string[]): Promise<Finished> {
    const files = ["-f", join(this.#folder, "config")];
    return await this.host.attempt(program, ...args, process.execPath, naru, "gateway", "--announce", ...files);
  }

  /** Bound addresses are answered for by who announces them, and not by every kernel that has them. */
  async heedAnnouncer(): Promise<void> {
    await this.host.run("sh", "-c", "cd /proc/sys/net/ipv4/conf/all; echo 1 > arp_ignore; echo 2 > arp_announce");
  }

  /** Resolves once it has logged a match. */
  async logged(pattern: RegExp): Promise<void> {
    const process = this.#running();
    while (!pattern.test(this.log)) {
      if (process.exitCode !== null) throw new Error(`${this.name} ended: ${this.log}`);
      await moreOf(process.stderr, process);
    }
  }

  /** Sends a signal; resolves with the exit code, null when the signal ended it. */
  async signal(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<number | null> {
    const process = this.#running();
    const exit = once(process, "exit");
    process.kill(signal);
    const [code] = (await exit) as [number | null];
    this.#process = null;
    return code;
  }

  /** Starts another naru beside it. Resolves once that has logged a match. */
  async runBeside(pattern: RegExp, ...args: readonly string[]): Promise<void> {
    const process = this.host.node(naru, ...args);
    process.stdout.resume();
    const log = collect(process.stderr);
    while (!pattern.test(log())) {
      if (process.exitCode !== null) throw new Error(`naru ${args.join(" ")} ended: ${log()}`);
      await moreOf(process.stderr, process);
    }
  }

  /** Writes a file for this node alone; resolves with its path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.#folder, `${this.name}-${name}`);
    await writeFile(path, text);
    return path;
  }

  /** What `naru vips --admin` says of it. */
  async vips(): Promise<LiveVips> {
    const { stdout, stderr } = await this.host.attempt(
      process.execPath,
      ...[naru, "vips", "--admin", `127.0.0.1:${this.#adminPort}`, "-o", "json"],
    );
    if (stdout === "") throw new Error(stderr);
    return JSON.parse(stdout) as LiveVips;
  }

  #running(): HostProcess {
    if (this.#process === null) throw new Error(`${this.name} does not run`);
    return this.#process;
  }
}

export interface Cluster {
  readonly lan: Lan;
  readonly nodes: readonly ClusterNode[];
  readonly client: Host;
  /** Replaces the configuration of all nodes. */
  configure(yaml: string): Promise<void>;
  /** Starts all nodes that do not run, and waits until each knows all. */
  launch(...options: readonly string[]): Promise<void>;
  /** Who has this hardware address. */
  ownerOf(mac: string): ClusterNode;
}

/** Hosts are .1 and so on, the client .99; nothing runs yet. Their folder goes with the test. */
export async function openCluster(t: NetworkOwner, network: TestNetwork, size = 3): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "naru-announce-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "key"), "0123456789abcdef0123456789abcdef\n");
  await mkdir(join(folder, "config"));
  const lan = await network.lan("lan");
  const nodes: ClusterNode[] = [];
  for (let at = 1; at <= size; at++) {
    const mac = `02:00:00:00:00:0${at}`;
    const host = await network.host(`n${at}`);
    await network.connect(host, lan, { mac, addresses: [`10.9.0.${at}/24`, `fd00:9::${at}/64`] });
    nodes.push(new ClusterNode(host, `n${at}`, mac, folder));
  }
  const client = await network.host("client");
  await network.connect(client, lan, { addresses: ["10.9.0.99/24", "fd00:9::99/64"] });
  return {
    lan,
    nodes,
    client,
    configure: (yaml) => writeFile(join(folder, "config", "all.yaml"), yaml),
    async launch(...options) {
      for (const node of nodes) node.launch(...options);
      for (const node of nodes) await node.logged(/ announcing /);
    },
    ownerOf(mac) {
      const owner = nodes.find((node) => node.mac === mac);
      if (owner === undefined) throw new Error(`${mac} is nobody's`);
      return owner;
    },
  };
}
