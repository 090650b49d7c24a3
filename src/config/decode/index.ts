// SPDX-License-Identifier: Apache-2.0
// Decoding: text of a file → resources and problems.

export { decodeDocuments, type DecodeOptions, type DecodeResult, type IgnoredKind } from "./decode.ts";
