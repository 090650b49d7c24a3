// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { describe, test } from "node:test";

import { CliError, commandTable, parseCommandLine, type OptionValues } from "../../../src/cli/index.ts";
import { choosePorts, demoOptionsFrom } from "../../../src/roles/demo/demo-options.ts";

const names = ["port", "mesh-port", "admin-port", "status-port", "stats-port"] as const;

/** The command line, with `defaults` in place of the ports that may be in use on the machine of the test. */
function valuesOf(argv: readonly string[], defaults: Readonly<Record<string, number>> = {}): OptionValues {
  const table = commandTable.map((command) => ({
    ...command,
    options: command.options.map((option) =>
      option.kind === "port" ? { ...option, default: String(defaults[option.name] ?? 0) } : option,
    ),
  }));
  const invocation = parseCommandLine(["demo", ...argv], table);
  assert.equal(invocation.kind, "run");
  return invocation.kind === "run" ? invocation.values : assert.fail();
}

async function takePort(): Promise<{ readonly port: number; [Symbol.asyncDispose](): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe("the ports of a demo", () => {
  for (const name of names.slice(1)) {
    test(`--${name} moves to a free one, and says so, when its default is taken`, async () => {
      await using taken = await takePort();
      const told: string[] = [];
      const ports = await choosePorts(valuesOf([], { [name]: taken.port }), (text) => told.push(text));
      assert.deepEqual(ports, { gateway: 0, mesh: 0, admin: 0, status: 0, stats: 0 });
      assert.equal(told.length, 1);
      assert.match(told[0]!, new RegExp(`^port ${taken.port} is taken, so the .+ will be on another one$`));
    });

    test(`--${name} is not moved when it was asked for`, async () => {
      await using taken = await takePort();
      const values = valuesOf([`--${name}`, String(taken.port)]);
      const told: string[] = [];
      await assert.rejects(
        choosePorts(values, (text) => told.push(text)),
        CliError,
      );
      assert.deepEqual(told, []);
    });
  }

  test("the gateway's is never moved: people type it", async () => {
    await using taken = await takePort();
    const values = valuesOf([], { port: taken.port });
    await assert.rejects(
      choosePorts(values, () => assert.fail()),
      (error: CliError) => error.exitCode === 1 && /--port \d+/.test(error.hint ?? ""),
    );
  });

  test("free ones are taken as they are", async () => {
    const { port } = await (async () => {
      await using taken = await takePort();
      return { port: taken.port };
    })();
    const ports = await choosePorts(valuesOf(["--admin-port", String(port)]), () => assert.fail());
    assert.equal(ports.admin, port);
  });
});

describe("the options of a demo", () => {
  test("default to a demo that runs until it is ended, without traffic of its own", () => {
    const { transport, ...options } = demoOptionsFrom(valuesOf([]));
    assert.equal(transport.wanted, "auto");
    assert.deepEqual(options, {
      routing: null,
      requestsPerSecond: 0,
      exitAfterMs: null,
      quiet: false,
      logLevel: "warning",
    });
    assert.equal(demoOptionsFrom(valuesOf(["--traffic", "2.5"])).requestsPerSecond, 2.5);
    assert.equal(demoOptionsFrom(valuesOf(["--exit-after", "1.5"])).exitAfterMs, 1500);
  });

  for (const rate of ["fast", "1e3", "1001", "1.2.3"]) {
    test(`refuse ${rate} as a rate of page views`, () => {
      assert.throws(() => demoOptionsFrom(valuesOf(["--traffic", rate])), {
        exitCode: 2,
        message: /--traffic .*must be 0 to 1000/,
      });
    });
  }
});
