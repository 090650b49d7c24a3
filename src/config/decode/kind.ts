// SPDX-License-Identifier: Apache-2.0
// What a kind of resource consists of for the decoder, and the parts all kinds share.

import type { Labels, Position, Resource, ResourceKind } from "../../model/index.ts";
import { excerpt, type Place } from "./place.ts";
import { labels } from "./names.ts";
import { object, optional, required, silent, type Decoder } from "./schema.ts";
import { text } from "./values.ts";

/** What every resource has besides its kind and its own fields. */
export interface Header {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly createdMs: number | null;
  readonly order: number;
  readonly position: Position;
}

export interface Kind {
  /** A ConfigMap is no resource itself, but there are resources in it. */
  readonly kind: ResourceKind | "ConfigMap";
  /** "" is the core group of Kubernetes. */
  readonly group: string;
  readonly versions: readonly string[];
  /** Namespaces themselves are not in one. */
  readonly namespaced: boolean;
  /** Services and Namespaces must be DNS labels, everything else may have dots. */
  readonly dottedName: boolean;
  /** Absent = true. Documents of which it says no are ignored like those of any other kind that is not read. */
  isRead?(document: Place): boolean;
  /**
   * One resource, or those that the document stands for. undefined after reporting why. Decoding goes on after an
   * error; the caller drops resources with errors.
   */
  decode(document: Place, header: Header): Resource | readonly Resource[] | undefined;
}

export const istioGroup = "networking.istio.io";
export const istioVersions: readonly string[] = ["v1", "v1beta1", "v1alpha3"];

/** Fields at the top of each document that the header or nobody reads. */
export const documentFields = { apiVersion: silent, kind: silent, metadata: silent, status: silent } as const;

/** An Istio document: everything of interest is in `spec`. */
export function istioDocument<T>(spec: Decoder<T>): Decoder<T> {
  const fields = { ...documentFields, spec: required(spec, "put the fields of the resource under it") };
  return object("kubernetes", fields, (document) => document.spec);
}

/** Labels and age from `metadata`; name and namespace are read before, since they identify the document. */
export const metadata: Decoder<Pick<Header, "labels" | "createdMs">> = object(
  "kubernetes",
  {
    name: silent,
    namespace: silent,
    labels: optional(labels),
    creationTimestamp: optional(timestampMs),
    annotations: silent,
    clusterName: silent,
    deletionGracePeriodSeconds: silent,
    deletionTimestamp: silent,
    finalizers: silent,
    generateName: silent,
    generation: silent,
    initializers: silent,
    managedFields: silent,
    ownerReferences: silent,
    resourceVersion: silent,
    selfLink: silent,
    uid: silent,
  },
  (fields) => ({ labels: fields.labels ?? {}, createdMs: fields.creationTimestamp ?? null }),
);

function timestampMs(place: Place): number | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const isRfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/i.test(value);
  const ms = isRfc3339 ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  return place.error(
    "VALUE",
    `${excerpt(value)} is not a time; write it as 2026-01-31T12:00:00Z or leave the field out`,
  );
}
