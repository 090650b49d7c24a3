// SPDX-License-Identifier: Apache-2.0
// BGP peers with what they refer to: BFD profiles and passwords. No password enters a message.

import type { BFDProfile, BGPPeer, ProblemList, ResourcesByKind, Secret } from "../../model/index.ts";
import { where, withOwnName } from "./names.ts";
import { shareNode } from "./nodes.ts";
import type { NodeInfo, ResolvedPeer } from "./types.ts";

/** Linux takes no longer keys (TCP_MD5SIG_MAXKEYLEN). */
const maxKeyBytes = 80;

/** One that lacks what it names is left out: without its password or its BFD it would be another session. */
export function linkPeers(
  resources: ResourcesByKind,
  nodes: readonly NodeInfo[],
  problems: ProblemList,
): readonly ResolvedPeer[] {
  const profiles = new Map(withOwnName(resources.BFDProfile, problems).map((profile) => [profile.name, profile]));
  const secrets = new Map(resources.Secret.map((secret) => [`${secret.namespace}/${secret.name}`, secret]));
  const sessions = new Map<string, BGPPeer[]>();
  const peers: ResolvedPeer[] = [];
  for (const peer of withOwnName(resources.BGPPeer, problems)) {
    const bfd = profileOf(peer, profiles, problems);
    const password = passwordOf(peer, secrets, problems);
    const session = `${peer.peerAddress} ${peer.peerPort} ${peer.sourceAddress}`;
    const older = sessions.get(session) ?? [];
    const same = older.find((each) => shareNode(each, peer, nodes));
    if (same !== undefined) reportSameSession(peer, same, problems);
    if (bfd === undefined || password === undefined || same !== undefined) continue;
    sessions.set(session, [...older, peer]);
    const { bfdProfile: _profile, passwordSecret: _secret, ...rest } = peer;
    peers.push({ ...rest, bfd, password });
  }
  return peers;
}

/** undefined after reporting that it is missing. */
function profileOf(
  peer: BGPPeer,
  profiles: ReadonlyMap<string, BFDProfile>,
  problems: ProblemList,
): BFDProfile | null | undefined {
  if (peer.bfdProfile === "") return null;
  const profile = profiles.get(peer.bfdProfile);
  if (profile !== undefined) return profile;
  const message = `there is no BFDProfile ${peer.bfdProfile}; without it the session is not opened`;
  problems.add({ code: "REFERENCE", severity: "error", resource: peer, path: "spec.bfdProfile", message });
  return undefined;
}

/** undefined after reporting that it is missing. */
function passwordOf(
  peer: BGPPeer,
  secrets: ReadonlyMap<string, Secret>,
  problems: ProblemList,
): string | null | undefined {
  if (peer.passwordSecret === null) return peer.password;
  const key = `${peer.passwordSecret.namespace}/${peer.passwordSecret.name}`;
  const secret = secrets.get(key);
  const password = secret?.password ?? "";
  const missing =
    secret === undefined
      ? `there is no Secret ${key} of type kubernetes.io/basic-auth`
      : password === ""
        ? `the Secret ${key} has no password`
        : Buffer.byteLength(password) > maxKeyBytes
          ? `the password in the Secret ${key} has more than ${maxKeyBytes} bytes`
          : null;
  if (missing === null) return password;
  const message = `${missing}; without it the session is not opened`;
  problems.add({ code: "REFERENCE", severity: "error", resource: peer, path: "spec.passwordSecret", message });
  return undefined;
}

function reportSameSession(peer: BGPPeer, older: BGPPeer, problems: ProblemList): void {
  problems.add({
    code: "CONFLICT",
    severity: "error",
    resource: peer,
    path: "spec.peerAddress",
    message: `${where(older)} opens a session to ${peer.peerAddress} from the same nodes; a router takes one of each`,
  });
}
