// SPDX-License-Identifier: Apache-2.0
// Short ways to decode one document in a test.

import assert from "node:assert/strict";
import { decodeDocuments, type DecodeResult } from "../../../../src/config/decode/index.ts";
import type { Resource, ResourceKind } from "../../../../src/model/index.ts";

export function decode(text: string): DecodeResult {
  return decodeDocuments("test.yaml", text, 0);
}

/** `severity CODE path` of each problem. */
export function problemsOf(text: string): readonly string[] {
  return decode(text).problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

/** Decodes one document that must be served; its problems may be warnings. */
export function decodeOne<K extends ResourceKind>(kind: K, text: string): Extract<Resource, { readonly kind: K }> {
  const { resources, problems } = decode(text);
  const [resource] = resources;
  assert.equal(resources.length, 1, JSON.stringify(problems));
  assert.equal(resource?.kind, kind);
  return resource as Extract<Resource, { readonly kind: K }>;
}

/** An Istio document with `spec`, which is written from column 0. */
export function istio(kind: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: x, namespace: shop}\nspec:\n${indent(spec)}`;
}

/** A core/v1 document; `body` is everything below the metadata. */
export function core(kind: string, body: string): string {
  return `apiVersion: v1\nkind: ${kind}\nmetadata: {name: x, namespace: shop}\n${body}`;
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
