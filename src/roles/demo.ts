// SPDX-License-Identifier: Apache-2.0
// `naru demo`: the Bookinfo example as a live mesh on this machine. Services run as processes of their own, gateway and
// mesh in this one. Everything that was started is stopped here, in reverse order, however it ends.

import {
  CliError,
  exitCodes,
  type CommandContext,
  type OptionValues,
  type StopReason,
  type Terminal,
} from "../cli/index.ts";
import { messageOf, systemClock, type Clock } from "../core/index.ts";
import { startTraffic } from "./demo/built-in-traffic.ts";
import { choosePorts, demoOptionsFrom, demoServeOptions, type DemoOptions } from "./demo/demo-options.ts";
import { createDisplay, type Display, type DisplayMode } from "./demo/display.ts";
import { openExampleFiles, type ExampleFiles } from "./demo/example-files.ts";
import { httpUrl, overviewText, type DemoUrls } from "./demo/overview.ts";
import { bookinfoServices, startServiceProcesses, type ServiceGroup } from "./demo/service-processes.ts";
import { startServing, type Serving } from "./serve.ts";

const readyTimeoutMs = 20_000;
const lookAgainMs = 20;
const serviceGraceMs = 3000;

/** Why a demo ends. */
type End = StopReason | { readonly kind: "done" } | { readonly kind: "death"; readonly text: string };

interface Running {
  readonly serving: Serving;
  readonly services: ServiceGroup;
  readonly urls: DemoUrls;
}

/** The command. 0 when somebody ended it or its time was up; 1 when a service died or could not be started. */
export async function runDemo(values: OptionValues, context: CommandContext): Promise<number> {
  const options = demoOptionsFrom(values);
  const { terminal } = context;
  const control = context.takeControl();
  const { promise: quitRequested, resolve: onQuit } = Promise.withResolvers<void>();
  // SIGHUP: a terminal that goes away takes the demo with it.
  control.onReopen(onQuit);
  const display = createDisplay(modeOf(options, terminal), { terminal, output: process.stdout, clock: systemClock });
  await using cleanUp = new AsyncDisposableStack();
  const files = openFiles(options, display, cleanUp);

  const ports = await choosePorts(values, (text) => terminal.err(`naru: ${text}\n`));
  const serveOptions = demoServeOptions(files.paths, ports, options);
  const log = { writeLog: (line: string) => display.log(line), colour: terminal.errColour };
  const serving = await startServing(serveOptions, { ...log, onQuit });
  cleanUp.defer(() => serving.stop());
  const urls = urlsOf(serving);
  const services = await startServices(files, urls.mesh, serving);
  cleanUp.defer(async () => {
    // The gateway first: what is in flight there still needs the services.
    try {
      await serving.stopGracefully(0, serveOptions.drainMs);
    } finally {
      await services.stop(serviceGraceMs);
    }
  });
  const { processes } = services;
  const facts = {
    urls,
    routing: serving.routing(),
    processes,
    routingFile: files.routingFile,
    workingFolder: process.cwd(),
  };
  terminal.out(options.quiet ? `${urls.gateway}/productpage\n` : overviewText(facts, terminal));
  const quit = Promise.race([control.stopRequested, quitRequested.then((): End => ({ kind: "done" }))]);
  const end = await untilEnd(options, quit, display, { serving, services, urls });
  display.stop();
  return exitCodeOf(end, serving);
}

function modeOf({ quiet }: DemoOptions, { width }: Terminal): DisplayMode {
  if (quiet) return "quiet";
  return width === null || process.env["TERM"] === "dumb" ? "lines" : "live";
}

/** Also undone when a second Ctrl-C ends the process without unwinding anything. */
function openFiles({ routing }: DemoOptions, display: Display, cleanUp: AsyncDisposableStack): ExampleFiles {
  const files = openExampleFiles(import.meta.dirname, routing);
  const restore = (): void => {
    display.stop();
    files.remove();
  };
  process.once("exit", restore);
  cleanUp.defer(() => {
    process.off("exit", restore);
    restore();
  });
  return files;
}

function urlsOf({ admin, dataPlane }: Serving): DemoUrls {
  const listeners = dataPlane.listeners();
  const urlOf = (role: "gateway" | "mesh"): string => {
    const listener = listeners.find((candidate) => candidate.role === role);
    if (listener === undefined) throw new Error(`the example's configuration makes no ${role} listener`);
    return httpUrl({ host: listener.address, port: listener.port });
  };
  return { gateway: urlOf("gateway"), mesh: urlOf("mesh"), admin: httpUrl(admin.admin), stats: httpUrl(admin.stats) };
}

/** Starts the services and waits until the mesh knows where each of them is. */
async function startServices(files: ExampleFiles, meshUrl: string, serving: Serving): Promise<ServiceGroup> {
  const options = { folder: files.servicesFolder, meshUrl, readyTimeoutMs };
  const group = await startServiceProcesses(bookinfoServices, options);
  try {
    files.writeWorkloads(group.processes);
    await untilKnown(group, serving, systemClock);
  } catch (error) {
    await group.stop(serviceGraceMs);
    throw error;
  }
  return group;
}

function untilKnown({ processes }: ServiceGroup, serving: Serving, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const startedMs = clock.nowMs();
  const cancel = clock.every(lookAgainMs, () => {
    const known = new Set([...serving.endpoints().endpoints.values()].flat().map(({ port }) => port));
    if (processes.every(({ port }) => known.has(port))) resolve();
    else if (clock.nowMs() - startedMs > readyTimeoutMs) {
      reject(
        new CliError(exitCodes.failure, "the configuration did not take in the services", "Look for problems above."),
      );
    }
  });
  return promise.finally(cancel);
}

async function untilEnd(
  options: DemoOptions,
  quit: Promise<End>,
  display: Display,
  { serving, services, urls }: Running,
): Promise<End> {
  const { exitAfterMs, requestsPerSecond } = options;
  const traffic =
    requestsPerSecond === 0
      ? null
      : startTraffic(new URL(`${urls.gateway}/productpage`), requestsPerSecond, systemClock);
  const { promise: timeUp, resolve } = Promise.withResolvers<End>();
  const cancel =
    exitAfterMs === null ? () => undefined : systemClock.after(exitAfterMs, () => resolve({ kind: "done" }));
  display.start({
    expected: bookinfoServices.map(({ app, version }) => ({ service: app, version })),
    totals: () => serving.requestTotals(),
    note: () => noteOf(requestsPerSecond, traffic?.failures ?? 0),
  });
  const death = services.firstDeath.then((text): End => ({ kind: "death", text }));
  try {
    return await Promise.race([quit, timeUp, death]);
  } finally {
    cancel();
    traffic?.stop();
  }
}

function noteOf(requestsPerSecond: number, failures: number): string {
  if (requestsPerSecond === 0) return "; reload the page to see it move, or start with --traffic 20";
  return `; ${requestsPerSecond} page views per second from here${failures === 0 ? "" : `, ${failures} without an answer`}`;
}

function exitCodeOf(end: End, { logger }: Serving): number {
  switch (end.kind) {
    case "done":
    case "signal":
      return exitCodes.ok;
    case "death":
      throw new CliError(exitCodes.failure, end.text, "The demo ends, because it is not whole any more.");
    case "failure":
      logger.error("uncaught exception: the demo ends", { error: messageOf(end.error) });
      return exitCodes.failure;
  }
}
