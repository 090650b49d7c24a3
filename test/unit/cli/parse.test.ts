// SPDX-License-Identifier: Apache-2.0
// The parser against a small table of its own, so that the real one may change.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CliError, type CommandSpec } from "../../../src/cli/command.ts";
import { parseCommandLine, type OptionValues } from "../../../src/cli/parse.ts";

const serve: CommandSpec = {
  name: "serve",
  summary: "Serve",
  details: [],
  positional: { placeholder: "PATH", description: "A file", repeatable: true },
  options: [
    { kind: "path", name: "filename", short: "f", placeholder: "PATH", repeatable: true, description: "A file" },
    { kind: "port", name: "admin-port", placeholder: "PORT", default: "15000", description: "A port" },
    { kind: "seconds", name: "drain-seconds", placeholder: "SECONDS", default: "45", description: "A time" },
    { kind: "choice", name: "output", short: "o", choices: ["json", "yaml"], default: "json", description: "A format" },
    { kind: "text", name: "bind", placeholder: "HOST", description: "A host" },
    { kind: "flag", name: "mesh", description: "On or off" },
    { kind: "flag", name: "help", short: "h", description: "Help" },
  ],
  examples: [],
};
const helpCommand: CommandSpec = {
  name: "help",
  summary: "Help",
  details: [],
  positional: { placeholder: "COMMAND", description: "A command", repeatable: false },
  options: [],
  examples: [],
};
const table = [serve, helpCommand];

function valuesOf(...argv: string[]): OptionValues {
  const invocation = parseCommandLine(["serve", ...argv], table);
  assert.equal(invocation.kind, "run");
  return invocation.kind === "run" ? invocation.values : assert.fail();
}

function refusalOf(...argv: string[]): CliError {
  try {
    parseCommandLine(argv, table);
  } catch (error) {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, 2);
    return error;
  }
  assert.fail(`accepted: ${argv.join(" ")}`);
}

suite("parseCommandLine", () => {
  test("applies defaults, and knows them from what was given", () => {
    const values = valuesOf();
    assert.equal(values.number("admin-port"), 15_000);
    assert.equal(values.given("admin-port"), false);
    assert.equal(values.text("output"), "json");
    assert.equal(values.optionalText("bind"), null);
    assert.deepEqual(values.list("filename"), []);
    assert.equal(values.flag("mesh"), false);
  });

  test("takes long, short and inline values, repeated ones in order, and positionals", () => {
    const values = valuesOf("-f", "a.yaml", "b.yaml", "--filename=c.yaml", "-oyaml", "--mesh", "--admin-port", "0");
    assert.deepEqual(values.list("filename"), ["a.yaml", "c.yaml"]);
    assert.deepEqual(values.positionals, ["b.yaml"]);
    assert.equal(values.text("output"), "yaml");
    assert.equal(values.flag("mesh"), true);
    assert.equal(values.number("admin-port"), 0);
    assert.equal(values.given("admin-port"), true);
  });

  test("takes everything after -- as positionals", () => {
    assert.deepEqual(valuesOf("--", "--mesh").positionals, ["--mesh"]);
  });

  test("the last value wins where one is meant", () => {
    assert.equal(valuesOf("--bind", "::1", "--bind", "127.0.0.1").text("bind"), "127.0.0.1");
  });

  test("asks for help in all the ways people ask", () => {
    for (const argv of [[], ["--help"], ["-h"], ["help"]]) {
      assert.deepEqual(parseCommandLine(argv, table), { kind: "help", topic: null }, argv.join(" "));
    }
    for (const argv of [
      ["help", "serve"],
      ["serve", "--help"],
      ["serve", "-f", "x", "-h"],
    ]) {
      assert.deepEqual(parseCommandLine(argv, table), { kind: "help", topic: serve }, argv.join(" "));
    }
    assert.deepEqual(parseCommandLine(["--version"], table), { kind: "version" });
  });

  test("says what was probably meant", () => {
    assert.match(refusalOf("sevre").message, /unknown command 'sevre'; did you mean 'serve'\?/);
    assert.match(refusalOf("serve", "--admin-prot", "1").message, /did you mean '--admin-port'\?/);
    assert.match(refusalOf("serve", "-o", "jsno").message, /must be one of json, yaml; did you mean 'json'\?/);
    assert.match(refusalOf("help", "srve").message, /did you mean 'serve'\?/);
    assert.doesNotMatch(refusalOf("dance").message, /did you mean/);
  });

  test("points to the help that helps", () => {
    assert.match(refusalOf("dance").hint ?? "", /naru --help/);
    assert.match(refusalOf("serve", "--dance").hint ?? "", /naru serve --help/);
  });

  for (const { argv, says } of [
    { argv: ["--mesh"], says: /the command comes first/ },
    { argv: ["serve", "-x"], says: /unknown option '-x'/ },
    { argv: ["serve", "--bind"], says: /--bind needs a value: --bind HOST/ },
    { argv: ["serve", "--bind", "--mesh"], says: /--bind needs a value/ },
    { argv: ["serve", "--bind="], says: /must not be empty/ },
    { argv: ["serve", "--mesh=yes"], says: /--mesh takes no value/ },
    { argv: ["serve", "--admin-port", "65536"], says: /from 0 to 65535/ },
    { argv: ["serve", "--admin-port", "http"], says: /from 0 to 65535/ },
    { argv: ["serve", "--drain-seconds", "1h"], says: /seconds are a number/ },
    { argv: ["serve", "-o", ""], says: /must be one of/ },
    { argv: ["help", "serve", "again"], says: /unexpected argument 'again'/ },
    { argv: ["serve", "--__proto__"], says: /unknown option '--__proto__'/ },
  ]) {
    test(`refuses ${argv.join(" ")}`, () => assert.match(refusalOf(...argv).message, says));
  }

  test("asking for an option that the command does not have is a bug, not a user's error", () => {
    assert.throws(
      () => valuesOf().text("nothing"),
      (error) => error instanceof Error && !(error instanceof CliError),
    );
  });
});
