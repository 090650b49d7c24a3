// SPDX-License-Identifier: Apache-2.0
// Where decoding stands: a value, how it was reached, and where to report what is wrong with it.

import type { Position, Problem, ProblemCode, ResourceRef, Severity } from "../../model/index.ts";
import type { MapEntry, Value } from "./yaml-tree.ts";

/** What all places of one document share. */
export interface Scope {
  readonly resource: ResourceRef | null;
  /** Short names resolve here. */
  readonly namespace: string;
  /** `cluster.local`. */
  readonly clusterDomain: string;
  readonly problems: ProblemSink;
  /** The whole file. */
  readonly text: string;
  /** Where an offset of a value is. */
  readonly positionOf: (offset: number) => Position;
}

/** One value of a document. Children are made on demand; the path is written out only when something is reported. */
export class Place {
  readonly value: Value;
  readonly scope: Scope;
  readonly #parent: Place | null;
  readonly #key: string | number;
  /** -1 where there is no key: list items and the document itself. */
  readonly #keyOffset: number;

  constructor(scope: Scope, value: Value, parent: Place | null = null, key: string | number = "", keyOffset = -1) {
    this.scope = scope;
    this.value = value;
    this.#parent = parent;
    this.#key = key;
    this.#keyOffset = keyOffset;
  }

  /** `spec.http[0].route[1].weight`; "" for the document. */
  get path(): string {
    if (this.#parent === null) return "";
    const parent = this.#parent.path;
    if (typeof this.#key === "number") return `${parent}[${this.#key}]`;
    const key = /^[\w-]+$/.test(this.#key) ? this.#key : `[${excerpt(this.#key)}]`;
    return parent === "" || key.startsWith("[") ? parent + key : `${parent}.${key}`;
  }

  /** Of a scalar itself; of a map or list its key, which is what a reader looks for. */
  get position(): Position {
    const atValue = this.value.kind === "scalar" || this.#keyOffset < 0;
    return this.scope.positionOf(atValue ? this.value.offset : this.#keyOffset);
  }

  /** Of the key where there is one. */
  get keyPosition(): Position {
    return this.scope.positionOf(this.#keyOffset < 0 ? this.value.offset : this.#keyOffset);
  }

  /** Absent and null mean the same in protobuf JSON and in Kubernetes. */
  get isNull(): boolean {
    return this.value.kind === "scalar" && this.value.value === null;
  }

  /** The same place for another resource: an item of a list. */
  within(scope: Scope): Place {
    return new Place(scope, this.value, this.#parent, this.#key, this.#keyOffset);
  }

  /** The same place with the value that its text stands for, whose offsets are those of the text. */
  nested(value: Value, positionOf: Scope["positionOf"]): Place {
    return new Place({ ...this.scope, positionOf }, value, this.#parent, this.#key);
  }

  entry(key: string, entry: MapEntry): Place {
    return new Place(this.scope, entry.value, this, key, entry.keyOffset);
  }

  item(index: number, value: Value): Place {
    return new Place(this.scope, value, this, index);
  }

  /** Child of a map by its written name; null when absent, null or when this is no map. */
  child(key: string): Place | null {
    const entry = this.value.kind === "map" ? this.value.entries.get(key) : undefined;
    if (entry === undefined) return null;
    const place = this.entry(key, entry);
    return place.isNull ? null : place;
  }

  /** The text of a non-empty string child, else "". For finding out what a document is, not for decoding it. */
  text(key: string): string {
    const value = this.child(key)?.value;
    return value?.kind === "scalar" && typeof value.value === "string" ? value.value : "";
  }

  /** Reports an error and returns undefined, which is what a decoder then returns. */
  error(code: ProblemCode, message: string): undefined {
    this.#report(code, "error", this.position, message);
  }

  /** Reports an error in the middle of the value. */
  errorAt(code: ProblemCode, position: Position, message: string): undefined {
    this.#report(code, "error", position, message);
  }

  warn(code: ProblemCode, message: string): void {
    this.#report(code, "warning", this.position, message);
  }

  /** Reports something about the field as such rather than about its value. */
  reportKey(code: ProblemCode, severity: Severity, message: string): undefined {
    this.#report(code, severity, this.keyPosition, message);
  }

  #report(code: ProblemCode, severity: Severity, position: Position, message: string): void {
    this.scope.problems.add({ code, severity, position, resource: this.scope.resource, path: this.path, message });
  }
}

/** Collects the problems of one file; bounded, because a file of garbage has one per line. */
export class ProblemSink {
  readonly #problems: Problem[] = [];
  readonly #limit: number;
  #firstDropped: Problem | null = null;
  #dropped = 0;
  /** Problems of severity error so far, those beyond the limit included. */
  errorCount = 0;

  constructor(limit = 1000) {
    this.#limit = limit;
  }

  add(problem: Problem): void {
    if (problem.severity === "error") this.errorCount++;
    if (this.#problems.length < this.#limit) {
      this.#problems.push(problem);
      return;
    }
    this.#dropped++;
    // An error among those not listed must not hide behind a warning.
    if (this.#firstDropped === null || (this.#firstDropped.severity !== "error" && problem.severity === "error")) {
      this.#firstDropped = problem;
    }
  }

  /** No more are listed, only counted; so nobody needs to word them. */
  get isFull(): boolean {
    return this.#problems.length >= this.#limit;
  }

  /** All problems by position. */
  list(): readonly Problem[] {
    const sorted = this.#problems.toSorted(byPosition);
    const last = this.#firstDropped;
    if (last === null || this.#dropped === 1) return last === null ? sorted : [...sorted, last];
    const message = `${last.message} (and ${this.#dropped - 1} more problems in this file; solve the ones above first)`;
    return [...sorted, { ...last, message }];
  }
}

function byPosition({ position: left }: Problem, { position: right }: Problem): number {
  return left.line - right.line || left.column - right.column;
}

/** User text for a message: quoted, short, one line. */
export function excerpt(text: string): string {
  const line = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(line);
}
