// SPDX-License-Identifier: Apache-2.0
// Which build of naru some code is of. A process that runs starts threads and processes from the files on disk, and those
// may have been replaced by another version, whose snapshots and messages mean something else.

/** Of the sources the bundle was made of; scripts/build.ts puts it in. */
declare const NARU_BUILD: string | undefined;

/** Equal builds understand each other. `sources` without a bundle, where files may change at any time. */
export const buildId: string = typeof NARU_BUILD === "undefined" ? "sources" : NARU_BUILD;

/** What is wrong when a process of build `parent` starts this code; null = nothing. */
export function otherBuildProblem(parent: string): string | null {
  if (parent === buildId) return null;
  return `naru's files on disk are of another build (${buildId}) than the process that runs (${parent}): they were replaced under it; restart it`;
}
