// SPDX-License-Identifier: Apache-2.0
// Which transport the suites run over: NARU_TEST_TRANSPORT=node|uring, node when it is not set. The only place that
// reads it, and that knows which transports there are.

import { systemClock } from "../../src/core/index.ts";
import { probeUring } from "../../src/platform/index.ts";
import {
  createNodeTransport,
  createUringTransport,
  defaultUringOptions,
  type DataPlaneDeps,
} from "../../src/proxy/index.ts";

export type Transport = DataPlaneDeps["transport"];
export type Connection = ReturnType<Transport["connect"]>;
export type ConnectionHandler = Parameters<Transport["connect"]>[1];
export type ListenOptions = Parameters<Transport["listen"]>[0];
export type Listener = Awaited<ReturnType<Transport["listen"]>>;

export interface TransportKind {
  readonly name: Transport["name"];
  /** The name, and what is particular about it. */
  readonly title: string;
  /** Whoever makes one closes it. */
  readonly create: () => Transport;
  /** Why it cannot run here, or null. */
  readonly unavailable: () => string | null;
}

/** NARU_URING_CHECK=1: the uring transport asserts its invariants. */
export const uringCheck = process.env["NARU_URING_CHECK"] === "1";

/** All there are; the contract suite runs over each. Few tests make a turn so busy that `node` gathers by itself. */
export const transportKinds: readonly TransportKind[] = [
  { name: "node", title: "node", create: () => createNodeTransport(), unavailable: () => null },
  {
    name: "node",
    title: "node, gathering every turn",
    create: () => createNodeTransport(systemClock, 0),
    unavailable: () => null,
  },
  { name: "uring", title: "uring", create: createUring, unavailable: whyNoUring },
];

/** What every other suite runs over, and tests give to programs as `--transport`. */
export const transportUnderTest: TransportKind = kindOf(process.env["NARU_TEST_TRANSPORT"]);

/** Options of a program that serves, so that it does so on the transport under test. */
export const transportOptions: readonly string[] = ["--transport", transportUnderTest.name];

function createUring(): Transport {
  return createUringTransport({ clock: systemClock, ledger: null }, { ...defaultUringOptions, check: uringCheck });
}

function whyNoUring(): string | null {
  const answer = probeUring();
  return answer.available ? null : answer.reason;
}

function kindOf(wanted: string | undefined): TransportKind {
  const name = wanted === undefined || wanted === "" ? "node" : wanted;
  const kind = transportKinds.find((candidate) => candidate.name === name);
  if (kind === undefined) throw new Error(`NARU_TEST_TRANSPORT=${name}: there is no such transport`);
  const reason = kind.unavailable();
  if (reason !== null) throw new Error(`NARU_TEST_TRANSPORT=${name}: ${reason}`);
  return kind;
}
