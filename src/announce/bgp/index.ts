// SPDX-License-Identifier: Apache-2.0
// BGP: addresses announced to routers as routes (RFC 4271).

export { bgpPeerConfig, type BfdTimes, type BgpPeerConfig } from "./peer-config.ts";
export {
  createBgpSpeaker,
  defaultBgpOptions,
  type BgpSpeaker,
  type BgpSpeakerDeps,
  type BgpSpeakerOptions,
} from "./speaker.ts";
export type { BgpPeerStatus } from "./status.ts";
export { createBgpTransport, type BgpTransport } from "./transport.ts";
