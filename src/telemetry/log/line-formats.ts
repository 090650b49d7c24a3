// SPDX-License-Identifier: Apache-2.0
// One log entry as one line, for machines (JSON) and for people (aligned text). Pure.

import { styleText } from "node:util";

import type { LogFields, LogLevel } from "../port.ts";
import { printable, printableJson } from "./printable.ts";

export interface LogEntry {
  readonly wallMs: number;
  readonly level: LogLevel;
  readonly scope: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Long enough for a stack, short enough that no peer can flood the log with one line. */
const maxTextChars = 4096;
/** Fields beyond these are named as left out. */
const maxFields = 32;
/** Where messages start in text; `warning` is the longest level. */
const levelColumns = 7;
const scopeColumns = 9;

const colours = {
  trace: "dim",
  debug: "cyan",
  info: "green",
  warning: "yellow",
  error: "red",
  off: "dim",
} as const satisfies Record<LogLevel, string>;

/** `time`, `level`, `scope` and `message` are ours: a field of that name gets an underscore in front. */
const reserved: ReadonlySet<string> = new Set(["time", "level", "scope", "message"]);

/** `{"time":"…","level":"info","scope":"proxy","message":"…",…fields}`; undefined fields are left out. */
export function jsonLogLine(entry: LogEntry): string {
  const head =
    `{"time":"${timeOf(entry)}","level":"${entry.level}",` +
    `"scope":${printableJson(entry.scope, maxTextChars)},"message":${printableJson(entry.message, maxTextChars)}`;
  const fields = fieldsOf(entry.fields).map(([name, value]) => {
    const key = reserved.has(name) ? `_${name}` : name;
    const text = typeof value === "string" ? printableJson(value, maxTextChars) : JSON.stringify(value);
    return `,${printableJson(key, maxTextChars)}:${text}`;
  });
  return `${head}${fields.join("")}}`;
}

/** `2026-01-02T03:04:05.678Z info    proxy     message  key=value other="two words"`. */
export function textLogLine(entry: LogEntry, colour: boolean): string {
  const level = entry.level.padEnd(levelColumns);
  const shownLevel = colour ? styleText(colours[entry.level], level, { validateStream: false }) : level;
  const scope = printable(entry.scope, maxTextChars).padEnd(scopeColumns);
  const head = `${timeOf(entry)} ${shownLevel} ${scope} ${printable(entry.message, maxTextChars)}`;
  const fields = fieldsOf(entry.fields).map(([name, value]) => {
    const key = `${printable(name, maxTextChars)}=`;
    return `${colour ? styleText("dim", key, { validateStream: false }) : key}${textValue(value)}`;
  });
  return fields.length === 0 ? head : `${head}  ${fields.join(" ")}`;
}

type FieldValue = Exclude<LogFields[string], undefined>;

function fieldsOf(fields: LogFields): [string, FieldValue][] {
  const present = Object.entries(fields).filter((entry): entry is [string, FieldValue] => entry[1] !== undefined);
  if (present.length <= maxFields) return present;
  return [...present.slice(0, maxFields), ["fieldsLeftOut", present.length - maxFields]];
}

/** Quoted where a reader could not tell where the value ends. */
function textValue(value: FieldValue): string {
  if (typeof value !== "string") return String(value);
  return /^[\w./:@%+,|*~[\]-]+$/.test(value) && value.length <= maxTextChars
    ? value
    : printableJson(value, maxTextChars);
}

function timeOf(entry: LogEntry): string {
  return new Date(entry.wallMs).toISOString();
}
