// SPDX-License-Identifier: Apache-2.0
// The store: last good versions, removal, duplicates.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeDocuments, type DecodeResult } from "../../../../src/config/decode/index.ts";
import { createStore, type Store, type StoreUpdate } from "../../../../src/config/store.ts";
import { formatProblem, type Problem } from "../../../../src/model/index.ts";

/** A Service document that serves `port`; a text makes it invalid. */
function service(name: string, port: number | string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n---\n`;
}

function decodeAll(files: Readonly<Record<string, string>>): ReadonlyMap<string, DecodeResult> {
  let order = 0;
  const results = new Map<string, DecodeResult>();
  for (const [file, text] of Object.entries(files)) {
    const result = decodeDocuments(file, text, order);
    order = result.nextOrder;
    results.set(file, result);
  }
  return results;
}

function update(store: Store, files: Readonly<Record<string, string>>, problems: readonly Problem[] = []): StoreUpdate {
  return store.update(decodeAll(files), problems);
}

/** `name:port` of what is in force. */
function inForce({ resources }: StoreUpdate): readonly string[] {
  return resources.map((resource) => `${resource.name}:${resource.kind === "Service" ? resource.ports[0]?.port : "?"}`);
}

function unreadable(file: string): Problem {
  const position = { file, line: 1, column: 1 };
  return { code: "FILE_UNREADABLE", severity: "error", position, resource: null, path: "", message: "gone" };
}

describe("store", () => {
  it("takes, replaces and drops resources, and says whether anything changed", () => {
    const store = createStore();
    const first = update(store, { "a.yaml": service("a", 80) + service("b", 80) });
    assert.deepEqual([inForce(first), first.changed], [["a:80", "b:80"], true]);
    const same = update(store, { "a.yaml": service("a", 80) + service("b", 80) });
    assert.equal(same.changed, false);
    assert.equal(same.resources, first.resources, "unchanged resources must be the same objects");
    const replaced = update(store, { "a.yaml": service("a", 81) + service("b", 80) });
    assert.deepEqual([inForce(replaced), replaced.changed], [["a:81", "b:80"], true]);
    const dropped = update(store, { "a.yaml": service("b", 80) });
    assert.deepEqual(inForce(dropped), ["b:80"]);
    assert.deepEqual(inForce(update(store, {})), []);
  });

  it("keeps the last good version of an invalid resource, over several updates, and says so once", () => {
    const store = createStore();
    update(store, { "a.yaml": service("b", 80) + service("a", 80) });
    for (let round = 0; round < 3; round++) {
      const { problems, ...rest } = update(store, {
        "a.yaml": `${service("b", 80)}${service("a", "x").replace("}]}", "}], clusterIP: x}")}`,
      });
      assert.deepEqual(inForce({ problems, ...rest }), ["b:80", "a:80"]);
      assert.equal(rest.changed, false);
      const [first, second] = problems.map(formatProblem);
      assert.match(first ?? "", /until then the version of a\.yaml:6 stays in force\) \[TYPE\]$/);
      assert.doesNotMatch(second ?? "", /stays in force/);
    }
    assert.deepEqual(inForce(update(store, { "a.yaml": service("b", 80) })), ["b:80"], "removed, so dropped");
  });

  it("has nothing to keep for a resource that was never valid", () => {
    const result = update(createStore(), { "a.yaml": service("a", "x") });
    assert.deepEqual(result.resources, []);
    assert.doesNotMatch(result.problems[0]?.message ?? "", /stays in force/);
  });

  it("keeps the last good version when the invalid one stands in another file", () => {
    const store = createStore();
    update(store, { "a.yaml": service("a", 80) });
    assert.deepEqual(inForce(update(store, { "b.yaml": service("a", "x") })), ["a:80"]);
  });

  it("prefers a valid document to an invalid one of the same name", () => {
    const store = createStore();
    update(store, { "a.yaml": service("a", 80) });
    assert.deepEqual(inForce(update(store, { "a.yaml": service("a", "x"), "b.yaml": service("a", 82) })), ["a:82"]);
  });

  it("keeps what a file that is not YAML any more has held, and drops it once the file is whole again", () => {
    const store = createStore();
    update(store, { "a.yaml": service("a", 80) + service("b", 80), "c.yaml": service("c", 80) });
    const broken = update(store, { "a.yaml": `${service("a", 81)}foo: [`, "c.yaml": "" });
    assert.deepEqual(inForce(broken).toSorted(), ["a:81", "b:80"]);
    assert.deepEqual(inForce(update(store, { "a.yaml": service("a", 81), "c.yaml": "" })), ["a:81"]);
  });

  const nameless = ["apiV", "kind: Service\n", "apiVersion: v1\nkind: Service\nmetadata: {}\n", "foo: bar\n"];
  for (const text of [...nameless, "{apiVersion: v1, kind: ServiceList, items: {}}"]) {
    it(`keeps what a file has held while one of its documents does not say what it is: ${text.trim()}`, () => {
      const store = createStore();
      update(store, { "a.yaml": service("a", 80) + service("b", 80), "c.yaml": service("c", 80) });
      const broken = update(store, { "a.yaml": service("a", 81) + text });
      assert.deepEqual(inForce(broken).toSorted(), ["a:81", "b:80"]);
      assert.deepEqual(inForce(update(store, { "a.yaml": service("a", 81) })), ["a:81"]);
    });
  }

  it("keeps what an unreadable file or directory has held", () => {
    const store = createStore();
    update(store, { "d/a.yaml": service("a", 80), "d/b.yaml": service("b", 80), "dd/c.yaml": service("c", 80) });
    const file = update(store, { "d/b.yaml": service("b", 80), "dd/c.yaml": service("c", 80) }, [
      unreadable("d/a.yaml"),
    ]);
    assert.deepEqual(inForce(file).toSorted(), ["a:80", "b:80", "c:80"]);
    assert.equal(file.problems[0]?.code, "FILE_UNREADABLE");
    assert.deepEqual(
      inForce(update(store, {}, [unreadable("./d/")])).toSorted(),
      ["a:80", "b:80"],
      "dd is another directory",
    );
    assert.deepEqual(inForce(update(store, {})), []);
  });

  it("keeps what an empty file has held, until it is removed or holds something else", () => {
    const store = createStore();
    const empty: Problem = { ...unreadable("z.yaml"), code: "FILE_EMPTY", severity: "warning" };
    update(store, { "b.yaml": service("b", 80), "z.yaml": service("z", 80) });
    for (let round = 0; round < 2; round++) {
      const { problems, ...rest } = update(store, { "b.yaml": service("b", 80), "z.yaml": "" }, [empty]);
      assert.deepEqual([inForce({ problems, ...rest }), rest.changed, problems], [["b:80", "z:80"], false, [empty]]);
    }
    // Overwritten with what cannot be read: an empty file comes in between.
    assert.deepEqual(inForce(update(store, { "z.yaml": "kind: [" })), ["z:80"]);
    assert.deepEqual(inForce(update(store, { "z.yaml": "# nothing any more" })), []);
  });

  it("takes the first of two and reports the later one", () => {
    const store = createStore();
    const result = update(store, { "a.yaml": service("a", 80), "b.yaml": service("a", 81) });
    assert.deepEqual(inForce(result), ["a:80"]);
    assert.deepEqual(result.problems.map(formatProblem), [
      "b.yaml:1:1 Service/default/a: the same resource stands at a.yaml:1, and that one is used; remove or rename one of them [DUPLICATE_RESOURCE]",
    ]);
    assert.deepEqual(inForce(update(store, { "b.yaml": service("a", 81) })), ["a:81"]);
  });

  describe("a document that stands for several resources", () => {
    const configMap = (...pools: readonly string[]): string =>
      `kind: ConfigMap\napiVersion: v1\nmetadata: {name: config, namespace: metallb-system}\ndata:\n  config: |\n    address-pools:\n${pools
        .map((name, at) => `    - {name: ${name}, protocol: layer2, addresses: [10.0.${at}.0/24]}\n`)
        .join("")}---\n`;
    const names = ({ resources }: StoreUpdate): readonly string[] => resources.map(({ name }) => name);

    it("keeps all of them while it is invalid, and says so", () => {
      const store = createStore();
      update(store, { "a.yaml": configMap("one", "two") });
      const broken = configMap("one", "two").replace("10.0.1.0/24", "nowhere");
      const { problems, ...rest } = update(store, { "a.yaml": broken + service("a", 80) });
      assert.deepEqual(names({ problems, ...rest }), ["one", "two", "l2advertisement1", "l2advertisement2", "a"]);
      assert.equal(rest.resources.find(({ name }) => name === "two")?.position.line, 8);
      const told = problems.filter(({ severity }) => severity === "error").map(formatProblem);
      assert.equal(told.length, 1);
      assert.match(told[0]!, /^a\.yaml:8:.*\(until then the version of a\.yaml:1 stays in force\)/);
    });

    it("drops what it does not name any more", () => {
      const store = createStore();
      update(store, { "a.yaml": configMap("one", "two") });
      assert.deepEqual(names(update(store, { "a.yaml": configMap("two") })), ["two", "l2advertisement1"]);
    });

    it("counts once, whole, when it is there twice", () => {
      const store = createStore();
      const { problems, ...rest } = update(store, { "a.yaml": configMap("one"), "b.yaml": configMap("two", "three") });
      assert.deepEqual(names({ problems, ...rest }), ["one", "l2advertisement1"]);
      const errors = problems.filter(({ severity }) => severity === "error").map(formatProblem);
      assert.equal(errors.length, 1);
      assert.match(errors[0]!, /^b\.yaml:1:1 ConfigMap\/metallb-system\/config: the same resource stands at a\.yaml:1/);
    });
  });
});
