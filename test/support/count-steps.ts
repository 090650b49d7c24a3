// SPDX-License-Identifier: Apache-2.0
// How much code runs, counted by V8 block by block: what a test may say of cost without looking at a clock.

import { Session, type Profiler } from "node:inspector";

/**
 * How often blocks of the files whose URL contains `path` are entered while `run` runs: each turn of a loop, each call, each
 * branch is one. Equal for equal work, on every machine.
 */
export function countSteps(path: string, run: () => void): number {
  const session = new Session();
  session.connect();
  try {
    call(session, "Profiler.enable");
    call(session, "Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    // Counts from here on.
    call(session, "Profiler.takePreciseCoverage");
    run();
    const { result } = call(session, "Profiler.takePreciseCoverage") as Profiler.TakePreciseCoverageReturnType;
    const ofPath = result.filter(({ url }) => url.includes(path));
    return ofPath
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .reduce((sum, { count }) => sum + count, 0);
  } finally {
    session.disconnect();
  }
}

/** Answered before it returns: the session is of this thread. */
function call(session: Session, method: string, parameters: object = {}): unknown {
  let answer: unknown = null;
  session.post(method, parameters, (error, result) => {
    if (error !== null) throw error;
    answer = result;
  });
  return answer;
}
