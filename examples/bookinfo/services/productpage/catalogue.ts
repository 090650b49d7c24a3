// SPDX-License-Identifier: Apache-2.0
// The books the page sells: one, as in the original.

export interface Book {
  readonly id: number;
  readonly title: string;
  readonly author: string;
  readonly description: string;
  readonly summaryUrl: string;
}

export const books: readonly Book[] = [
  {
    id: 0,
    title: "The Comedy of Errors",
    author: "William Shakespeare",
    description:
      "Two pairs of identical twins, parted by a shipwreck, meet in Ephesus without knowing it. Shakespeare’s shortest play, " +
      "and one of his most farcical: slapstick, mistaken identity, puns and word play.",
    summaryUrl: "https://en.wikipedia.org/wiki/The_Comedy_of_Errors",
  },
];
