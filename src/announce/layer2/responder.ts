// SPDX-License-Identifier: Apache-2.0
// Answers who asks for announced addresses, by ARP and by neighbor discovery, and notices who else claims them. Hot path: a
// frame makes nothing.

import type { Clock } from "../../core/index.ts";
import type { PacketPort } from "../../platform/index.ts";
import { ArpFrame, arpFrameBytes, arpOperation, writeArpReply } from "./arp.ts";
import type { Conflicts } from "./conflicts.ts";
import { broadcastMac, sameMac } from "./mac.ts";
import {
  advertisementFrameBytes,
  NeighborFrame,
  neighborType,
  writeSolicitedAdvertisement,
  writeUnsolicitedAdvertisement,
} from "./ndp.ts";
import type { ReplyLimit } from "./reply-limit.ts";
import type { UsableLink } from "./usable-links.ts";
import { VipTable, type Vip } from "./vip.ts";

const etherTypeAt = 12;
const arpType = 0x0806;

export interface ResponderDeps {
  readonly clock: Clock;
  readonly packets: PacketPort;
  readonly conflicts: Conflicts;
  readonly limit: ReplyLimit;
}

export class Responder {
  /** Frames that no host should send. */
  malformed = 0;
  /** Requests not answered because their sender asks too often. */
  limited = 0;
  /** What is announced. Replaced as a whole. */
  vips = new VipTable([]);
  readonly #deps: ResponderDeps;
  #links: ReadonlyMap<number, UsableLink> = new Map();
  #macs: readonly Uint8Array[] = [];
  readonly #arp = new ArpFrame();
  readonly #neighbor = new NeighborFrame();
  /** Of its own ArrayBuffer, as memory for the system should be. */
  readonly #out = new Uint8Array(new ArrayBuffer(advertisementFrameBytes));

  constructor(deps: ResponderDeps) {
    this.#deps = deps;
  }

  /** By index; what comes from elsewhere is none of ours. */
  setLinks(links: ReadonlyMap<number, UsableLink>): void {
    this.#links = links;
    this.#macs = [...links.values()].map(({ mac }) => mac);
  }

  /** Takes `frame[0, length)` as received on the interface with this index. Never throws because of what is in it. */
  receive(frame: Uint8Array, length: number, linkIndex: number): void {
    const link = this.#links.get(linkIndex);
    if (link === undefined) return;
    const isArp = ((frame[etherTypeAt]! << 8) | frame[etherTypeAt + 1]!) === arpType;
    if (isArp) this.#receiveArp(frame, length, link);
    else this.#receiveNeighbor(frame, length, link);
  }

  #receiveArp(frame: Uint8Array, length: number, link: UsableLink): void {
    const arp = this.#arp;
    if (!arp.read(frame, length)) {
      this.malformed++;
      return;
    }
    if (this.#isOurs(arp.senderMac)) return;
    const claimed = this.vips.findIpv4(arp.senderIp);
    if (claimed !== null && claimed.covers(link)) this.#deps.conflicts.seen(claimed, link, arp.senderMac);
    if (arp.operation !== arpOperation.request || arp.senderIp === arp.targetIp) return;
    const vip = this.vips.findIpv4(arp.targetIp);
    if (vip === null || !vip.covers(link)) return;
    // Two hosts that probe at once both give way (RFC 5227 §2.1.1).
    if (vip.phase === "probing" && arp.senderIp === 0) this.#deps.conflicts.seen(vip, link, arp.senderMac);
    if (vip.phase !== "announcing") return;
    if (!sameMac(arp.destination, 0, broadcastMac) && !sameMac(arp.destination, 0, link.mac)) return;
    if (!this.#mayAnswer(vip, arp.senderMac)) return;
    writeArpReply(this.#out, link.mac, vip.low, arp.senderMac, arp.senderIp);
    if (this.#deps.packets.send(link.index, this.#out, arpFrameBytes)) vip.responses++;
  }

  #receiveNeighbor(frame: Uint8Array, length: number, link: UsableLink): void {
    const neighbor = this.#neighbor;
    if (!neighbor.read(frame, length)) {
      this.malformed++;
      return;
    }
    if (this.#isOurs(neighbor.sourceMac)) return;
    const target = this.vips.findIpv6(neighbor.target);
    const covered = target !== null && target.covers(link) ? target : null;
    if (neighbor.type === neighborType.advertisement) {
      // Another node of ours may advertise for it through a switch that answers in its place: then it is our address too.
      if (covered !== null && !this.#isOurs(neighbor.linkLayerMac)) {
        this.#deps.conflicts.seen(covered, link, neighbor.linkLayerMac);
      }
      return;
    }
    const claimed = neighbor.fromUnspecified ? null : this.vips.findIpv6(neighbor.source);
    if (claimed !== null && claimed.covers(link)) this.#deps.conflicts.seen(claimed, link, neighbor.linkLayerMac);
    if (covered === null || covered === claimed) return;
    // Two hosts that check at once both give way (RFC 4862 §5.4.3).
    if (covered.phase === "probing" && neighbor.fromUnspecified) {
      this.#deps.conflicts.seen(covered, link, neighbor.sourceMac);
    }
    if (covered.phase !== "announcing" || !this.#mayAnswer(covered, neighbor.sourceMac)) return;
    const out = this.#out;
    if (neighbor.fromUnspecified) writeUnsolicitedAdvertisement(out, link.mac, covered.bytes);
    else writeSolicitedAdvertisement(out, link.mac, covered.bytes, neighbor.linkLayerMac, neighbor.source);
    if (this.#deps.packets.send(link.index, out, advertisementFrameBytes)) covered.responses++;
  }

  #mayAnswer(vip: Vip, requester: Uint8Array): boolean {
    vip.requests++;
    if (this.#deps.limit.take(requester, vip.low, this.#deps.clock.nowMs())) return true;
    this.limited++;
    return false;
  }

  /** Of any of our interfaces: two of them may be in one network. */
  #isOurs(mac: Uint8Array): boolean {
    for (const own of this.#macs) if (sameMac(mac, 0, own)) return true;
    return false;
  }
}
