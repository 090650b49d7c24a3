// SPDX-License-Identifier: Apache-2.0
// Who announces beside this node: those whose signed heartbeats it hears, or nobody.

import { readFileSync } from "node:fs";
import { lookup } from "node:dns/promises";

import {
  announceDefaults,
  createMembership,
  createUdpPort,
  parseKeys,
  type HeartbeatKeys,
  type LocalFacts,
  type Member,
  type Membership,
} from "../../announce/index.ts";
import { CliError, exitCodes } from "../../cli/index.ts";
import { formatHostPort, messageOf, systemCodeOf, type Clock, type Random } from "../../core/index.ts";
import type { LinkInfo } from "../../platform/index.ts";
import type { Logger } from "../../telemetry/port.ts";
import type { SpeakerOptions, HeartbeatOptions } from "./announce-options.ts";

export interface Group extends Omit<Membership, "setKeys"> {
  /** Interfaces behind which the other nodes may be. */
  setLinks(links: readonly LinkInfo[]): void;
  /** Reads the keys again; those of before stay when that fails. */
  reloadKeys(): void;
}

export interface GroupDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Members, or what is decided by, are others. */
  readonly onChange: () => void;
}

type GroupOptions = Pick<SpeakerOptions, "node" | "nodeLabels" | "heartbeats" | "failBackDelayMs">;

/** Throws a CliError when there is no usable key. Nothing runs before `start`. */
export function createGroup(deps: GroupDeps, options: GroupOptions): Group {
  const { node, heartbeats } = options;
  return heartbeats === null ? createAlone(node) : createByHeartbeats(deps, options, heartbeats);
}

/** Decides without asking anybody. */
function createAlone(node: string): Group {
  const nobody = { ready: false, reach: null, announced: [], withheld: [] };
  let me = memberOf(node, nobody);
  return {
    start: () => Promise.resolve(),
    members: () => [me],
    set(facts) {
      me = memberOf(node, facts);
    },
    setLinks: () => undefined,
    reloadKeys: () => undefined,
    splitBrains: () => [],
    nameCollisions: () => [],
    leave: () => Promise.resolve(),
    stop: () => undefined,
    samples: () => [],
  };
}

function memberOf(node: string, { ready, reach, announced, withheld }: LocalFacts): Member {
  return { node, labels: {}, ready, seasoned: true, reach, announced: new Set(announced), withheld: new Set(withheld) };
}

function createByHeartbeats(
  { clock, random, logger: root, onChange }: GroupDeps,
  { node, nodeLabels: labels, failBackDelayMs }: GroupOptions,
  { keyFile, host, port, peers }: HeartbeatOptions,
): Group {
  const logger = root.child("heartbeat");
  const keys = readKeys(keyFile);
  if (typeof keys === "string") {
    const hint = "Make one with 'openssl rand -hex 32', and copy it to all nodes.";
    throw new CliError(exitCodes.failure, `--key-file ${keyFile}: ${keys}`, hint);
  }
  const udp = createUdpPort({ clock, logger, lookup: lookUp }, { host, port, multicast: peers.length === 0, peers });
  const membership = createMembership(
    { clock, random, logger, port: udp, onChange },
    { ...announceDefaults.membership, node, labels, keys, failBackDelayMs },
  );
  return {
    start: () =>
      membership.start().catch((error: unknown) => {
        const where = formatHostPort(host, port);
        const hint =
          systemCodeOf(error) === "EADDRINUSE"
            ? "Another process has this port: stop it, or use another --heartbeat-port on all nodes."
            : "Check --heartbeat-bind and --heartbeat-port.";
        const message = `cannot hear heartbeats on ${where}: ${messageOf(error)}`;
        throw new CliError(exitCodes.failure, message, hint, { cause: error });
      }),
    members: () => membership.members(),
    set: (facts) => membership.set(facts),
    setLinks: (links) => udp.setInterfaces(links),
    reloadKeys() {
      const fresh = readKeys(keyFile);
      if (typeof fresh === "string") {
        logger.error("keys cannot be read again; those of before stay", { file: keyFile, reason: fresh });
      } else {
        membership.setKeys(fresh);
        logger.info("keys read again", { keys: fresh.length });
      }
    },
    splitBrains: () => membership.splitBrains(),
    nameCollisions: () => membership.nameCollisions(),
    leave: () => membership.leave(),
    stop: () => membership.stop(),
    samples: () => membership.samples(),
  };
}

/** Or why there are none, without a word of them. */
export function readKeys(path: string): HeartbeatKeys | string {
  try {
    return parseKeys(readFileSync(path, "utf8"));
  } catch (error) {
    return messageOf(error);
  }
}

async function lookUp(host: string, family: 4 | 6): Promise<readonly string[]> {
  return (await lookup(host, { all: true, family })).map(({ address }) => address);
}
