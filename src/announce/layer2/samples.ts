// SPDX-License-Identifier: Apache-2.0
// What layer 2 counts, as Prometheus shows it: MetalLB's names, and ours for what MetalLB does not count. Pure.

import type { PacketCounts } from "../../platform/index.ts";
import type { Sample } from "../../telemetry/port.ts";
import type { Vip } from "./vip.ts";

interface ResponderCounts {
  readonly malformed: number;
  readonly limited: number;
}

const perAddress = [
  ["metallb_layer2_requests_received", "Requests for an announced address", "requests"],
  ["metallb_layer2_responses_sent", "Answers to requests for an announced address", "responses"],
  ["metallb_layer2_gratuitous_sent", "Announcements sent without being asked", "gratuitous"],
  ["naru_layer2_conflicts_total", "Frames in which another host claimed an announced address", "conflicts"],
] as const;

const droppedName = "naru_layer2_frames_dropped_total";
const droppedHelp = "Frames about announced addresses that were not looked at or not answered";

export function layer2Samples(
  vips: readonly Vip[],
  responder: ResponderCounts,
  packets: PacketCounts,
): readonly Sample[] {
  const samples: Sample[] = [];
  for (const [name, help, count] of perAddress) {
    for (const vip of vips) samples.push({ name, help, type: "counter", labels: { ip: vip.ip }, value: vip[count] });
  }
  samples.push({
    name: "naru_layer2_frames_received_total",
    help: "Frames about announced addresses that were looked at",
    type: "counter",
    labels: {},
    value: packets.received,
  });
  const dropped = {
    malformed: responder.malformed + packets.oversized,
    // A requester that asks too often.
    limited: responder.limited,
    // More of them than are handled in a time.
    overrun: packets.overrun,
  };
  for (const [reason, value] of Object.entries(dropped)) {
    samples.push({ name: droppedName, help: droppedHelp, type: "counter", labels: { reason }, value });
  }
  samples.push({
    name: "naru_layer2_frame_errors_total",
    help: "Frames that the system did not send, and failures to receive",
    type: "counter",
    labels: {},
    value: packets.failed,
  });
  return samples;
}
