// SPDX-License-Identifier: Apache-2.0
// What is wrong with the command line of a bench: a line on stderr and exit code 2, before anything has started.

export function usageError(message: string): never {
  process.stderr.write(`bench: ${message}\nSee --help.\n`);
  process.exit(2);
}

/** For `parseArgs`, whose complaints say which option is meant. */
export function parsed<Options>(parse: () => Options): Options {
  try {
    return parse();
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

/** `what` says which are allowed. */
function numberOf(name: string, text: string, what: string, isAllowed: (value: number) => boolean): number {
  const value = Number(text);
  return text.trim() !== "" && isAllowed(value) ? value : usageError(`${name} ${text}: must be ${what}`);
}

export function countOf(name: string, text: string): number {
  return numberOf(name, text, "a whole number of 1 or more", (value) => Number.isSafeInteger(value) && value >= 1);
}

/** Zero is allowed. */
export function amountOf(name: string, text: string): number {
  return numberOf(name, text, "a whole number of 0 or more", (value) => Number.isSafeInteger(value) && value >= 0);
}

/** More than zero. */
export function durationOf(name: string, text: string): number {
  return numberOf(name, text, "a number above 0", (value) => Number.isFinite(value) && value > 0);
}
