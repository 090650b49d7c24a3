// SPDX-License-Identifier: Apache-2.0
// Whether this Node.js can run us. Old syntax only and no imports: it must load where nothing else does.

/** Oldest release with all that is used, by `engines` in package.json; a test compares both. */
export const minimumNodeVersion = "26.5.1";

/** What to tell somebody whose Node.js (`process.versions.node`) is too old, or null when it is not. */
export function oldNodeMessage(version: string): string | null {
  const have = version.split(".").map((part) => Number.parseInt(part, 10));
  const need = minimumNodeVersion.split(".").map(Number);
  for (let index = 0; index < need.length; index++) {
    const difference = (have[index] || 0) - (need[index] || 0);
    if (difference > 0) return null;
    if (difference < 0) {
      return (
        `naru needs Node.js ${minimumNodeVersion} or newer; this is ${version}.\n` +
        "Install a current Node.js from https://nodejs.org, or start naru with one: /path/to/newer/node naru ...\n"
      );
    }
  }
  return null;
}
