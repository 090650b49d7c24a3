// SPDX-License-Identifier: Apache-2.0
// Leaves that everything may use: errors, clock, deadlines, addresses. No I/O.

export { formatHostPort, ipFamily, isHostName, parseHostPort, parsePort, type HostPort } from "./addresses.ts";
export { systemClock, type Cancel, type Clock, type Random } from "./clock.ts";
export { Deadline, Deadlines } from "./deadlines.ts";
export { errorTable, messageOf, NaruError, systemCodeOf, type ErrorCode, type ErrorSpec } from "./errors.ts";
export { suggestWord } from "./suggest.ts";
export * as ip from "./ip.ts";
export * as writers from "./writers.ts";
