// SPDX-License-Identifier: Apache-2.0
// The structured log: scopes with their own levels, changeable while running. Formatting is in line-formats.ts; where
// lines go is the caller's.

import type { Clock } from "../../core/index.ts";
import { logLevels, type LogFields, type Logger, type LogLevel } from "../port.ts";
import { jsonLogLine, textLogLine, type LogEntry } from "./line-formats.ts";

export interface LoggerOptions {
  /** Of every scope until `setLevel` says otherwise. */
  readonly level: LogLevel;
  readonly format: "json" | "text";
  /** Text format only: levels in ANSI colours. */
  readonly colour: boolean;
  /** Takes one line without its line break. Called synchronously; what it throws reaches whoever logged. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** Of every entry, before its own. */
  readonly fields?: LogFields;
}

export interface RootLogger extends Logger {
  /**
   * Changes one scope, or without a scope all of them and those to come (Envoy's `/logging`). False when there is no
   * such scope: a typo must not look like success.
   */
  setLevel(level: LogLevel, scope?: string): boolean;
  /** Calls back after each successful `setLevel`, for loggers of other threads that have to follow. */
  onSetLevel(callback: (level: LogLevel, scope: string | undefined) => void): void;
  /** Every scope there is, sorted by name. */
  levels(): Readonly<Record<string, LogLevel>>;
}

/** Scope of the root logger itself. */
const rootScope = "naru";

/** A log with no scopes but its own (`naru`); `child` adds them. Nothing to stop: it holds no timers and no files. */
export function createLogger(options: LoggerOptions): RootLogger {
  return new Root(new Scopes(options));
}

/** What all loggers of one tree share. INVARIANT: a scope name has one Scope, so that setLevel reaches every holder. */
class Scopes {
  readonly #options: LoggerOptions;
  readonly #byName = new Map<string, Scope>();
  #defaultRank: number;

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#defaultRank = rankOf(options.level);
  }

  get(name: string): Scope {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const scope: Scope = { name, rank: this.#defaultRank };
    this.#byName.set(name, scope);
    return scope;
  }

  setLevel(level: LogLevel, name: string | undefined): boolean {
    const rank = rankOf(level);
    if (name !== undefined) {
      const scope = this.#byName.get(name);
      if (scope === undefined) return false;
      scope.rank = rank;
      return true;
    }
    this.#defaultRank = rank;
    for (const scope of this.#byName.values()) scope.rank = rank;
    return true;
  }

  levels(): Record<string, LogLevel> {
    const names = [...this.#byName.keys()].toSorted();
    return Object.fromEntries(names.map((name) => [name, logLevels[this.get(name).rank] ?? "off"]));
  }

  write(level: LogLevel, scope: string, message: string, fields: LogFields | undefined): void {
    const { clock, colour, format, write, fields: common } = this.#options;
    const all = common === undefined ? (fields ?? {}) : { ...common, ...fields };
    const entry: LogEntry = { wallMs: clock.wallMs(), level, scope, message, fields: all };
    write(format === "json" ? jsonLogLine(entry) : textLogLine(entry, colour));
  }
}

interface Scope {
  readonly name: string;
  rank: number;
}

class ScopedLogger implements Logger {
  readonly #scopes: Scopes;
  readonly #scope: Scope;

  constructor(scopes: Scopes, scope: Scope) {
    this.#scopes = scopes;
    this.#scope = scope;
  }

  get scope(): string {
    return this.#scope.name;
  }

  enabled(level: LogLevel): boolean {
    return level !== "off" && rankOf(level) >= this.#scope.rank;
  }

  trace(message: string, fields?: LogFields): void {
    this.#log("trace", message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warning(message: string, fields?: LogFields): void {
    this.#log("warning", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  child(scope: string): Logger {
    return new ScopedLogger(this.#scopes, this.#scopes.get(scope));
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (this.enabled(level)) this.#scopes.write(level, this.#scope.name, message, fields);
  }
}

class Root extends ScopedLogger implements RootLogger {
  readonly #scopes: Scopes;
  readonly #followers: ((level: LogLevel, scope: string | undefined) => void)[] = [];

  constructor(scopes: Scopes) {
    super(scopes, scopes.get(rootScope));
    this.#scopes = scopes;
  }

  setLevel(level: LogLevel, scope?: string): boolean {
    if (!this.#scopes.setLevel(level, scope)) return false;
    for (const follow of this.#followers) follow(level, scope);
    return true;
  }

  onSetLevel(callback: (level: LogLevel, scope: string | undefined) => void): void {
    this.#followers.push(callback);
  }

  levels(): Readonly<Record<string, LogLevel>> {
    return this.#scopes.levels();
  }
}

function rankOf(level: LogLevel): number {
  return logLevels.indexOf(level);
}
