// SPDX-License-Identifier: Apache-2.0
// A test reporter that is short when all is well: one line per finished file, then whatever failed or was skipped, then
// the closing lines of Node's own `spec` reporter, to which everything but plainly passing tests is handed through.

import { relative } from "node:path";
import { spec, type TestEvent } from "node:test/reporters";

/** What `--test-reporter` expects of a module; Node insists on the default export. */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const full = new spec();
  full.setEncoding("utf8");
  // INVARIANT: starts that `spec` has not seen. It pairs each result with its start, so both or neither are handed on.
  const heldStarts: TestEvent[] = [];
  for await (const event of source) {
    if (event.type === "test:start") {
      heldStarts.push(event);
      continue;
    }
    if (isPlainPass(event) && heldStarts.pop() !== undefined) continue;
    if (event.type === "test:summary" && event.data.file !== undefined) yield fileLine(event.data.file, event.data);
    if (isResult(event)) for (const start of heldStarts.splice(0)) full.write(start);
    full.write(event);
    yield* drain(full);
  }
  full.end();
  for await (const text of full) yield String(text);
}

type Summary = Extract<TestEvent, { type: "test:summary" }>["data"];

function fileLine(file: string, summary: Summary): string {
  const { tests, skipped } = summary.counts;
  const notes = [`${tests} tests`, `${Math.round(summary.duration_ms)} ms`];
  if (skipped > 0) notes.push(`${skipped} skipped`);
  return `${summary.success ? "✔" : "✖"} ${relative(process.cwd(), file)} (${notes.join(", ")})\n`;
}

function isResult(event: TestEvent): boolean {
  return event.type === "test:pass" || event.type === "test:fail";
}

function isPlainPass(event: TestEvent): boolean {
  return event.type === "test:pass" && event.data.skip === undefined && event.data.todo === undefined;
}

function* drain(full: InstanceType<typeof spec>): Generator<string> {
  const next = () => full.read() as string | null;
  for (let text = next(); text !== null; text = next()) yield text;
}
