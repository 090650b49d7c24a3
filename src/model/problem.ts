// SPDX-License-Identifier: Apache-2.0
// What is wrong with a resource, and where it stands.

/** Where a resource or one of its fields was written. */
export interface Position {
  /** File path as the user gave it, or the name of another source. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
}

/** Which resource; the identity of a resource in the store. `namespace` is "" for cluster-scoped kinds. */
export interface ResourceRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * `error`: the resource is left out and its last good version stays in force. `warning`: the resource is served, but
 * not in all it says. `info`: worth knowing, nothing is lost.
 */
export type Severity = "error" | "warning" | "info";

/** Stable, documented in docs/problems.md; a test compares both ways. */
export const problemCodes = {
  YAML_SYNTAX: "the file is not valid YAML or JSON",
  FILE_UNREADABLE: "a file or directory cannot be read; what it held stays in force",
  FILE_EMPTY: "a file is empty, as one that is being saved or on a full disk is; what it held stays in force",
  NOT_A_RESOURCE: "a document has no apiVersion, kind or metadata.name",
  UNKNOWN_KIND: "this kind is not read by this version; its documents are ignored",
  API_VERSION: "this apiVersion of a known kind is not read",
  DUPLICATE_RESOURCE: "the same kind, namespace and name stands twice; the later one is left out",
  REQUIRED: "a required field is missing or empty",
  TYPE: "a value has the wrong type",
  VALUE: "a value is not allowed here",
  CONFLICT: "fields or resources that exclude each other are both there",
  DEPRECATED: "an old way to write something; it is served, and there is a new one",
  UNKNOWN_FIELD: "Istio, Kubernetes or MetalLB have no such field; it is ignored unless it is an error",
  UNSERVED_FIELD: "a field that Istio, Kubernetes or MetalLB has and this version does not serve yet",
  REGEX: "a regular expression is not valid RE2 syntax",
  REFERENCE: "the resource names something that does not exist",
  UNREACHABLE_ROUTE: "a route can never match because an earlier one takes everything",
  HOST_CONFLICT: "two resources claim the same host; the later one does not get it",
  UNATTACHED: "nothing uses this resource",
} as const;

export type ProblemCode = keyof typeof problemCodes;

export interface Problem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly position: Position;
  /** null when the document could not even be identified. */
  readonly resource: ResourceRef | null;
  /** Field path inside the document, e.g. `spec.http[0].route[1].weight`; "" for the whole document. */
  readonly path: string;
  /** What is wrong and what to do. Never contains a secret. */
  readonly message: string;
}

/** `file:line:col kind/namespace/name field.path: message [CODE]`. */
export function formatProblem(problem: Problem): string {
  const { position, resource, path } = problem;
  const parts = [`${position.file}:${position.line}:${position.column}`];
  if (resource !== null) parts.push(formatRef(resource));
  if (path !== "") parts.push(path);
  return `${parts.join(" ")}: ${problem.message} [${problem.code}]`;
}

/** `kind/namespace/name`, or `kind/name` for cluster-scoped kinds. */
export function formatRef(ref: ResourceRef): string {
  return ref.namespace === "" ? `${ref.kind}/${ref.name}` : `${ref.kind}/${ref.namespace}/${ref.name}`;
}
