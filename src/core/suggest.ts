// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known word nearest to a mistyped one. Pure.

/** The nearest of `known`, or null when none is near enough to be what was meant. */
export function suggestWord(typed: string, known: readonly string[]): string | null {
  let best: string | null = null;
  // A third of the letters may be wrong; more is guessing.
  let bestDistance = Math.floor(Math.max(typed.length, 3) / 3) + 1;
  for (const word of known) {
    const distance = word.startsWith(typed) && typed.length >= 3 ? 0.5 : editDistance(typed, word);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
export function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + (same ? 0 : 1));
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped && row > 1 && column > 1) cost = Math.min(cost, beforePrevious[column - 2]! + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length]!;
}
