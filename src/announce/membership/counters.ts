// SPDX-License-Identifier: Apache-2.0
// What membership counts, and how Prometheus sees it.

import type { Sample } from "../../telemetry/port.ts";

const rejections = ["malformed", "version", "unauthenticated", "rate", "repeated", "unproven", "full"] as const;
/**
 * `rate`: from there came too many. `repeated`: an old sequence number, as of a packet that came twice. `unproven`: signed,
 * but it may be a recording; the first packets of every node are.
 */
export type RejectionReason = (typeof rejections)[number];

export class MembershipCounters {
  sent = 0;
  received = 0;
  failed = 0;
  stalls = 0;
  readonly #rejected = new Map<RejectionReason, number>();

  reject(reason: RejectionReason): void {
    this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
  }

  samples(members: number, splitBrains: number, nameCollisions: number): readonly Sample[] {
    return [
      gauge("members", "Nodes that are alive, this one included.", members),
      gauge("split_brain_addresses", "Addresses that several nodes announce.", splitBrains),
      gauge("name_collisions", "Names that two live nodes have.", nameCollisions),
      total("heartbeats_sent", "Heartbeats sent.", this.sent),
      total("heartbeats_received", "Heartbeats of other nodes that were believed.", this.received),
      total("heartbeat_send_errors", "Heartbeats that could not be sent.", this.failed),
      total("stalls", "Times this process stood still for so long that others took over.", this.stalls),
      ...rejections.map((reason) => {
        const help = "Packets that were no heartbeat to believe.";
        return total("heartbeats_rejected", help, this.#rejected.get(reason) ?? 0, { reason });
      }),
    ];
  }
}

function gauge(name: string, help: string, value: number): Sample {
  return { name: `naru_announce_${name}`, help, type: "gauge", labels: {}, value };
}

function total(name: string, help: string, value: number, labels: Sample["labels"] = {}): Sample {
  return { name: `naru_announce_${name}_total`, help, type: "counter", labels, value };
}
