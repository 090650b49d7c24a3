// SPDX-License-Identifier: Apache-2.0
// Text of one file → resources and problems. All problems of all documents are reported together; a document with an
// error costs only itself.

import { formatRef, type Problem, type ProblemCode, type Resource, type ResourceRef } from "../../model/index.ts";
import { metadata, type Header, type Kind } from "./kind.ts";
import { findKind } from "./kinds.ts";
import { dnsLabel, isDnsLabel, isDnsSubdomain } from "./names.ts";
import { excerpt, Place, ProblemSink, type Scope } from "./place.ts";
import { linesOf, parseText, type TextDocument, type Value } from "./yaml-tree.ts";

export interface DecodeResult {
  /** Without any error; in the order of the file. */
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** Kinds that are not read, with the number of their documents. */
  readonly ignored: readonly IgnoredKind[];
  /** Documents that say which resource they are but have errors: their last good version stays in force. */
  readonly rejected: readonly ResourceRef[];
  /** false when part of the text is not valid YAML or names no resource, so documents may be missing from the result. */
  readonly complete: boolean;
  /** `firstOrder` for the next file. */
  readonly nextOrder: number;
}

export interface IgnoredKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly count: number;
}

export interface DecodeOptions {
  /** Short host names end in it. */
  readonly clusterDomain?: string;
}

/** Where resources without a namespace are. */
const defaultNamespace = "default";

/**
 * Decodes every document of `text` (YAML or JSON, lists flattened). `file` is only named in positions. `firstOrder` is
 * the `order` of the first resource. Never throws for any text; time and memory are linear in its length.
 */
export function decodeDocuments(
  file: string,
  text: string,
  firstOrder: number,
  options: DecodeOptions = {},
): DecodeResult {
  const lines = linesOf(text);
  const scope: Scope = {
    resource: null,
    namespace: defaultNamespace,
    clusterDomain: options.clusterDomain ?? "cluster.local",
    problems: new ProblemSink(),
    text,
    positionOf(offset) {
      const { line, col } = lines.linePos(offset);
      return { file, line, column: col };
    },
  };
  const decoder = new FileDecoder(scope, firstOrder);
  for (const document of parseText(text)) decoder.addDocument(document);
  return decoder.result();
}

/** What a document says it is; items of a typed list inherit it. */
interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

const noType: TypeMeta = { apiVersion: "", kind: "" };

class FileDecoder {
  readonly #problems: ProblemSink;
  readonly #fileScope: Scope;
  readonly #resources: Resource[] = [];
  readonly #rejected: ResourceRef[] = [];
  readonly #ignored = new Map<string, { apiVersion: string; kind: string; count: number }>();
  #complete = true;
  #order: number;

  constructor(scope: Scope, firstOrder: number) {
    this.#problems = scope.problems;
    this.#fileScope = scope;
    this.#order = firstOrder;
  }

  addDocument({ root, issues }: TextDocument): void {
    if (issues.length > 0) {
      this.#complete = false;
      this.#reportIssues(root, issues);
    } else if (root !== null) {
      this.#add(new Place(this.#fileScope, root), noType);
    }
  }

  result(): DecodeResult {
    return {
      resources: this.#resources,
      problems: this.#problems.list(),
      ignored: [...this.#ignored.values()],
      rejected: this.#rejected,
      complete: this.#complete,
      nextOrder: this.#order,
    };
  }

  #reportIssues(root: Value | null, issues: TextDocument["issues"]): void {
    // The tree is incomplete, but what came before the error often tells which resource it is.
    const resource = root === null ? null : identify(new Place(this.#fileScope, root), noType);
    if (resource !== null) this.#rejected.push(resource);
    for (const { offset, message } of issues) {
      const position = this.#fileScope.positionOf(offset);
      this.#problems.add({ code: "YAML_SYNTAX", severity: "error", position, resource, path: "", message });
    }
  }

  #add(document: Place, inherited: TypeMeta): void {
    if (document.isNull) return;
    if (document.value.kind !== "map") {
      this.#nameless(document, "NOT_A_RESOURCE", "this is not a resource; write apiVersion, kind and metadata.name");
      return;
    }
    const type = typeOf(document, inherited);
    if (type.apiVersion === "" || type.kind === "") {
      const missing = type.kind === "" ? "kind" : "apiVersion";
      this.#nameless(
        document,
        "NOT_A_RESOURCE",
        `\`${missing}\` is missing, so this is not a resource; add it or remove the document`,
      );
      return;
    }
    const [group, version] = splitApiVersion(type.apiVersion);
    if (type.kind.endsWith("List") && this.#addList(document, type, group)) return;
    const kind = findKind(type.kind, group);
    if (kind === undefined || kind.isRead?.(document) === false) this.#ignore(type);
    else this.#addResource(document, kind, version);
  }

  /** False when this is not a list of anything that is read. */
  #addList(document: Place, { apiVersion, kind }: TypeMeta, group: string): boolean {
    const itemKind = kind.slice(0, -"List".length);
    const isMixed = itemKind === "" && group === "";
    if (!isMixed && findKind(itemKind, group) === undefined) return false;
    const items = document.child("items");
    if (items === null) return true;
    if (items.value.kind !== "list") {
      this.#nameless(items, "TYPE", "`items` must be a list of resources; start each with a dash");
      return true;
    }
    const inherited = isMixed ? noType : { apiVersion, kind: itemKind };
    for (const [index, item] of items.value.items.entries()) this.#add(items.item(index, item), inherited);
    return true;
  }

  /** Something that does not say which resource it is: any that the file held until now. */
  #nameless(place: Place, code: ProblemCode, message: string): void {
    this.#complete = false;
    place.error(code, message);
  }

  #ignore({ apiVersion, kind }: TypeMeta): void {
    const key = `${apiVersion} ${kind}`;
    const entry = this.#ignored.get(key);
    if (entry === undefined) this.#ignored.set(key, { apiVersion, kind, count: 1 });
    else entry.count++;
  }

  #addResource(place: Place, kind: Kind, version: string): void {
    const order = this.#order++;
    const errorsBefore = this.#problems.errorCount;
    const resource = refOf(place, kind);
    const document = place.within({ ...this.#fileScope, resource, namespace: resource?.namespace ?? defaultNamespace });
    if (resource === null) {
      const metadataPlace = document.child("metadata") ?? document;
      this.#nameless(
        metadataPlace,
        "NOT_A_RESOURCE",
        "`metadata.name` is missing or not text; give the resource a name",
      );
      return;
    }
    if (!kind.versions.includes(version)) {
      const versions = kind.versions.map((known) => (kind.group === "" ? known : `${kind.group}/${known}`));
      document
        .child("apiVersion")
        ?.error("API_VERSION", `this version of ${kind.kind} is not read; write ${versions.join(" or ")}`);
    } else {
      const header = decodeHeader(document, kind, resource, order);
      const decoded = header === undefined ? undefined : kind.decode(document, header);
      if (decoded !== undefined && this.#problems.errorCount === errorsBefore) {
        this.#resources.push(...[decoded].flat());
        return;
      }
      if (this.#problems.errorCount === errorsBefore) {
        throw new Error(`${formatRef(resource)} was dropped without a reason`);
      }
    }
    this.#rejected.push(resource);
  }
}

function decodeHeader(document: Place, kind: Kind, resource: ResourceRef, order: number): Header | undefined {
  const place = document.child("metadata");
  if (place === null) return undefined;
  const name = place.child("name");
  const isValidName = kind.dottedName ? isDnsSubdomain(resource.name) : isDnsLabel(resource.name);
  if (!isValidName) {
    name?.error("VALUE", `${excerpt(resource.name)} is not a valid name; use lower-case letters, digits and dashes`);
  }
  const namespace = place.child("namespace");
  if (kind.namespaced && namespace !== null) dnsLabel(namespace);
  // A default keeps the rest of the document decoding, so that its problems are reported, too.
  const { labels, createdMs } = metadata(place) ?? { labels: {}, createdMs: null };
  return { namespace: resource.namespace, name: resource.name, labels, createdMs, order, position: document.position };
}

/** null when the document cannot be told apart from others of its kind. */
function identify(document: Place, inherited: TypeMeta): ResourceRef | null {
  const type = typeOf(document, inherited);
  const kind = findKind(type.kind, splitApiVersion(type.apiVersion)[0]);
  return kind === undefined ? null : refOf(document, kind);
}

function refOf(document: Place, { kind, namespaced }: Kind): ResourceRef | null {
  const place = document.child("metadata");
  const name = place?.text("name") ?? "";
  if (place === null || name === "") return null;
  const namespace = namespaced ? place.text("namespace") || defaultNamespace : "";
  return { kind, namespace, name };
}

function typeOf(document: Place, inherited: TypeMeta): TypeMeta {
  return {
    apiVersion: document.text("apiVersion") || inherited.apiVersion,
    kind: document.text("kind") || inherited.kind,
  };
}

/** `networking.istio.io/v1` → group and version; the core group has no name: `v1`. */
function splitApiVersion(apiVersion: string): readonly [group: string, version: string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}
