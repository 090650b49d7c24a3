// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 codec: bytes to heads and bodies, and the few writers that turn them into bytes again. Sans-I/O: no
// socket, no timer, no clock.

import { writers } from "../../core/index.ts";

export { BodyDecoder } from "./body-decoder.ts";
export { HeaderId } from "./header-id.ts";
export { complete, failed, headLimits, needMore, type HeadLimits, type ParseStatus } from "./limits.ts";
export { RequestHeadParser } from "./request-head-parser.ts";
export type { RequestHead } from "./request-head.ts";
export { ResponseHeadParser } from "./response-head-parser.ts";
export type { BodyKind, ResponseHead } from "./response-head.ts";
export { chunkPrefixLength, writeAscii, writeChunkPrefix } from "./writers.ts";

export const { copyBytes, writeDecimal } = writers;
