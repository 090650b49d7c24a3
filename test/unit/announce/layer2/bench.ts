// SPDX-License-Identifier: Apache-2.0
// Layer 2 between a wire and a clock of the test.

import {
  createLayer2,
  defaultLayer2Options,
  type Layer2,
  type Layer2Conflict,
  type Layer2Options,
} from "../../../../src/announce/layer2/index.ts";
import { ip } from "../../../../src/core/index.ts";
import type { LinkInfo, PacketCounts, PacketPort } from "../../../../src/platform/index.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { hex } from "./frames.ts";

export class Wire implements PacketPort {
  /** `interface-index frame`, in order; `sent.splice(0)` takes them. */
  readonly sent: string[] = [];
  readonly groups = new Set<string>();
  /** Interfaces without IPv6 can be in no group. */
  readonly withoutIpv6 = new Set<number>();
  addresses: readonly string[] = [];
  down = false;
  #onFrame: (frame: Uint8Array, length: number, index: number) => void = () => {};

  setAddresses(addresses: readonly ip.Ip[]): void {
    this.addresses = addresses.map((each) => ip.format(each));
  }

  start(onFrame: (frame: Uint8Array, length: number, index: number) => void): void {
    this.#onFrame = onFrame;
  }

  join(index: number, group: string): boolean {
    if (this.withoutIpv6.has(index)) return false;
    this.groups.add(`${index} ${group}`);
    return true;
  }

  leave(index: number, group: string): void {
    this.groups.delete(`${index} ${group}`);
  }

  send(index: number, frame: Uint8Array, length: number): boolean {
    if (this.down) return false;
    this.sent.push(`${index} ${hex(frame.subarray(0, length))}`);
    return true;
  }

  counts(): PacketCounts {
    return { received: 0, overrun: 7, oversized: 0, failed: 0 };
  }

  close(): void {
    // Nothing is open.
  }

  /** What is received comes in a larger buffer that is not cleared. */
  receive(frame: Uint8Array, index = 2): void {
    const buffer = new Uint8Array(256).fill(0xee);
    buffer.set(frame);
    this.#onFrame(buffer, frame.length, index);
  }

  /** What was sent since the last time, as `interface-index frame`. */
  take(): string[] {
    return this.sent.splice(0);
  }
}

export interface Bench {
  readonly wire: Wire;
  readonly clock: FakeClock;
  readonly layer2: Layer2;
  readonly conflicts: Layer2Conflict[];
}

export function openBench(options: Partial<Layer2Options> = {}, links: readonly LinkInfo[] = [link()]): Bench {
  const [wire, clock, conflicts]: [Wire, FakeClock, Layer2Conflict[]] = [new Wire(), new FakeClock(), []];
  const layer2 = createLayer2(
    {
      clock,
      random: () => 0.5,
      logger: silentLogger,
      packets: wire,
      onConflict: (conflict) => conflicts.push(conflict),
    },
    { ...defaultLayer2Options, ...options },
  );
  layer2.setLinks(links);
  return { wire, clock, layer2, conflicts };
}

/** eth0 of the node, with index 2. */
export function link(changes: Partial<LinkInfo> = {}): LinkInfo {
  return {
    name: "eth0",
    index: 2,
    mac: "02:00:00:00:00:01",
    up: true,
    running: true,
    noArp: false,
    loopback: false,
    broadcast: true,
    master: 0,
    addresses: [{ family: 6, address: "fe80::1", prefixLength: 64, usable: true }],
    ...changes,
  };
}
