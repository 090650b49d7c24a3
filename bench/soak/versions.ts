// SPDX-License-Identifier: Apache-2.0
// Configuration that is replaced all the time, and answers that tell which version routed them: each version sends its
// two paths to origins of its own, from a ring that is longer than naru is ever behind.

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Random } from "../../src/core/index.ts";
import type { LoadAnswer, LoadRequest } from "../../test/support/load.ts";
import { LoadOrigin } from "../../test/support/load-origin.ts";

const ringSize = 16;
const endpointsEach = 2;
const bodyBytes = 1_024;
const sides = ["left", "right"] as const;
type Side = (typeof sides)[number];

export class Versions implements AsyncDisposable {
  /** The newest version that is written. */
  written = 0;
  /** Versions that answered something. */
  readonly seen = new Set<number>();
  readonly #folder: string;
  /** Where everything else goes: an origin that no fault touches. */
  readonly #plainPort: number;
  readonly #origins: LoadOrigin[] = [];
  /** Of each client connection, the newest version that answered on it. */
  readonly #newest = new Map<number, number>();

  constructor(folder: string, plainPort: number) {
    this.#folder = folder;
    this.#plainPort = plainPort;
  }

  /** Starts the origins and writes version 0. */
  async start(): Promise<void> {
    for (let slot = 0; slot < ringSize; slot++) {
      for (const side of sides) {
        for (let index = 0; index < endpointsEach; index++) {
          this.#origins.push(await LoadOrigin.start({ version: `${side} ${slot}`, bodyBytes }));
        }
      }
    }
    this.write(0);
  }

  /** Makes a version the current one, in one rename. */
  write(version: number): void {
    this.written = version;
    const draft = join(this.#folder, "draft");
    writeFileSync(draft, this.#configuration(version));
    renameSync(draft, join(this.#folder, "config.yaml"));
    for (const origin of this.#origins) origin.forget();
  }

  request(sequence: number): LoadRequest {
    return { method: "GET", path: `/${sides[sequence % 2]!}/${sequence}`, body: "" };
  }

  /** What is wrong with an answer, or null. */
  check({ status, headers, body }: LoadAnswer, { path }: LoadRequest, connection: number): string | null {
    if (status !== 200) return `status ${status}: ${body}`;
    const [side, slot] = headers.get("x-version")?.split(" ") ?? [];
    if (!path.startsWith(`/${side}/`)) return `wrong route: ${side} answered ${path.split("/")[1]}`;
    if (body.length !== bodyBytes) return `${body.length} bytes`;
    // The newest version of that slot; what is older is either so or, by the ring's length, never in force any more.
    const version = this.written - ((((this.written - Number(slot)) % ringSize) + ringSize) % ringSize);
    this.seen.add(version);
    const before = this.#newest.get(connection) ?? 0;
    if (version < before) return `wrong route: version ${version} after ${before}`;
    this.#newest.set(connection, version);
    return null;
  }

  /** Kills one of the two origins that a path of the current version has; it is back on its port after `whileDown`. */
  async restartOne(random: Random, whileDown: () => Promise<void>): Promise<void> {
    const first = (this.written % ringSize) * sides.length * endpointsEach;
    const index = first + Math.floor(random() * sides.length * endpointsEach);
    const old = this.#origins[index]!;
    const { port, version } = old;
    await old.kill();
    await whileDown();
    this.#origins[index] = await LoadOrigin.start({ version, bodyBytes, port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const origin of this.#origins) await origin.kill();
  }

  #configuration(version: number): string {
    // Other routes and weights each time, so that more than the destinations changes.
    const extra = Array.from({ length: version % 10 }, (_, index) => rule(`/only-in-${version}-${index}`, "plain"));
    const hosts = new Map(sides.map((side) => [side, `${side}-${version % ringSize}`]));
    const rules = [...extra, ...sides.map((side) => rule(`/${side}/`, hosts.get(side)!)), rule("/", "plain")];
    const entries = sides.map((side) =>
      serviceEntry(hosts.get(side)!, this.#portsOf(version, side), 1 + (version % 3)),
    );
    return [
      gateway,
      `${virtualService}${rules.join("")}`,
      ...entries,
      serviceEntry("plain", [this.#plainPort], 1),
    ].join("---\n");
  }

  #portsOf(version: number, side: Side): readonly number[] {
    const first = ((version % ringSize) * sides.length + sides.indexOf(side)) * endpointsEach;
    return this.#origins.slice(first, first + endpointsEach).map((origin) => origin.port);
  }
}

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
`;

const virtualService = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: app }
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
`;

function rule(prefix: string, host: string): string {
  return `  - match: [{ uri: { prefix: ${prefix} } }]
    route: [{ destination: { host: ${host}.example, port: { number: 80 } } }]
`;
}

function serviceEntry(name: string, ports: readonly number[], weight: number): string {
  const endpoints = ports.map((port) => `  - { address: 127.0.0.1, ports: { http: ${port} }, weight: ${weight} }\n`);
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${name}.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints:
${endpoints.join("")}`;
}
