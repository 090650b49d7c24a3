// SPDX-License-Identifier: Apache-2.0
// The entry point: argv → command, signals → orderly stop, outcome → exit code. Everything is loaded on demand: first so
// that an old Node.js gets a sentence and not a syntax error, then so that `version` does not load a proxy.

import type { CommandContext, Invocation, ProcessControl, RunCommand, StopReason } from "./cli/index.ts";
import type { Clock } from "./core/index.ts";
import { oldNodeMessage } from "./cli/node-version.ts";

/** By command name; `help` runs here. */
const loaders: Readonly<Record<string, () => Promise<RunCommand>>> = {
  gateway: async () => (await import("./roles/gateway.ts")).runGateway,
  up: async () => (await import("./roles/up.ts")).runUp,
  demo: async () => (await import("./roles/demo.ts")).runDemo,
  validate: async () => (await import("./roles/validate.ts")).runValidate,
  convert: async () => (await import("./roles/convert.ts")).runConvert,
  routes: async () => (await import("./roles/routes.ts")).runRoutes,
  announce: async () => (await import("./roles/announce.ts")).runAnnounce,
  vips: async () => (await import("./roles/vips.ts")).runVips,
  doctor: async () => (await import("./roles/doctor.ts")).runDoctor,
  version: async () => (await import("./roles/version.ts")).runVersion,
};

/** Exit codes of a process that a signal ended: 128 + the signal's number. */
const signalExitCodes = { SIGTERM: 143, SIGINT: 130, SIGPIPE: 141 } as const;

/** Signals within this time of the first are taken for the same one. */
const sameSignalMs = 200;

async function main(argv: readonly string[]): Promise<number> {
  const { commandTable, createTerminal, parseCommandLine, reportFailure } = await import("./cli/index.ts");
  const { systemClock } = await import("./core/index.ts");
  const terminal = createTerminal(process.stdout, process.stderr, process.env);
  let isServing = false;
  handleLostReaders(() => isServing);
  let invocation: Invocation | null = null;
  const showsStacks = () => ["debug", "trace"].includes(logLevelOf(invocation));
  const onUncaught = (error: unknown) => process.exit(reportFailure(terminal, error, showsStacks()));
  process.on("uncaughtException", onUncaught);
  const takeControl = () => {
    isServing = true;
    process.off("uncaughtException", onUncaught);
    return controlProcess(systemClock);
  };
  try {
    invocation = parseCommandLine(argv, commandTable);
    return await runInvocation(invocation, { terminal, takeControl });
  } catch (error) {
    return reportFailure(terminal, error, showsStacks());
  }
}

async function runInvocation(invocation: Invocation, context: CommandContext): Promise<number> {
  const { commandTable, exitCodes, renderHelp } = await import("./cli/index.ts");
  const { terminal } = context;
  switch (invocation.kind) {
    case "help": {
      const layout = { width: terminal.width ?? 100, strong: (text: string) => terminal.tone("strong", text) };
      terminal.out(renderHelp(invocation.topic, commandTable, layout));
      return exitCodes.ok;
    }
    case "version": {
      const { versionText } = await import("./roles/version.ts");
      terminal.out(versionText());
      return exitCodes.ok;
    }
    case "run": {
      const load = loaders[invocation.command.name];
      if (load === undefined) throw new Error(`command ${invocation.command.name} has no loader`);
      const run = await load();
      return await run(invocation.values, context);
    }
  }
}

function logLevelOf(invocation: Invocation | null): string {
  if (invocation?.kind !== "run") return "";
  const { command, values } = invocation;
  return command.options.some((option) => option.name === "log-level") ? values.text("log-level") : "";
}

/**
 * `naru routes | head -1`: the reader has what it wanted, which is no failure worth a word. Whoever serves goes on
 * serving when nobody reads any more.
 */
function handleLostReaders(isServing: () => boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (!isServing()) process.exit(signalExitCodes.SIGPIPE);
    });
  }
}

function controlProcess(clock: Clock): ProcessControl {
  const { promise, resolve } = Promise.withResolvers<StopReason>();
  let stoppedAtMs: number | null = null;
  const stop = (reason: StopReason, exitCodeAtOnce: number) => {
    stoppedAtMs ??= clock.nowMs();
    // Under npm, one Ctrl-C arrives twice: from the terminal, and passed on by npm.
    if (clock.nowMs() - stoppedAtMs > sameSignalMs) process.exit(exitCodeAtOnce);
    resolve(reason);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => stop({ kind: "signal", signal }, signalExitCodes[signal]));
  }
  process.on("uncaughtException", (error) => stop({ kind: "failure", error }, 1));
  return { stopRequested: promise, onReopen: reopenings() };
}

/** A SIGHUP that comes before anybody listens is kept: its default would end the process while it starts. */
function reopenings(): ProcessControl["onReopen"] {
  let isDue = false;
  let reopen = () => {
    isDue = true;
  };
  process.on("SIGHUP", () => reopen());
  return (callback) => {
    reopen = callback;
    if (isDue) callback();
  };
}

const refusal = oldNodeMessage(process.versions.node);
if (refusal === null) {
  const exitCode = await main(process.argv.slice(2));
  // Exits once all output is written. When it could not be, handleLostReaders has the word first.
  process.stdout.write("", () => setImmediate(() => process.exit(exitCode)));
} else {
  process.stderr.write(refusal);
  process.exit(1);
}
