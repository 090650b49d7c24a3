// SPDX-License-Identifier: Apache-2.0
// What must hold of BGP, on random messages and random histories.

import { test } from "node:test";

import * as fc from "fast-check";

import { announcements, damagedStreams, noise, opens } from "./bgp-messages.ts";
import { sessions, tables } from "./bgp-sessions.ts";

test("an OPEN that is read is the one that was written", () => fc.assert(opens));

test("routes that are read are those that were written, in messages that fit", () =>
  fc.assert(announcements, { numRuns: 60 }));

test("damaged streams end in a NOTIFICATION at most, the same one wherever they are cut", () =>
  fc.assert(damagedStreams, { numRuns: 1_000 }));

test("noise in any message ends in a NOTIFICATION at most", () => fc.assert(noise, { numRuns: 1_000 }));

test("a session does nothing to connections that are not there and never gets stuck", () =>
  fc.assert(sessions, { numRuns: 1_000 }));

test("a table built from our UPDATEs holds what was wanted", () => fc.assert(tables, { numRuns: 300 }));
