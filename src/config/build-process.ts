// SPDX-License-Identifier: Apache-2.0
// Entry point of the process of one build: reads the question, writes the answer and ends, and its garbage with it.

import { constants, setPriority } from "node:os";
import { buffer } from "node:stream/consumers";
import { deserialize, serialize } from "node:v8";
import { otherBuildProblem } from "../model/index.ts";
import { createBuilder } from "./build.ts";
import { packState, unpackState, type BuildAnswer, type BuildRequest } from "./build-protocol.ts";

const request = deserialize(await buffer(process.stdin)) as BuildRequest;
const refusal = otherBuildProblem(request.buildId);
if (refusal !== null) {
  process.stderr.write(refusal);
  process.exit(1);
}
const { files, sourceProblems, options, wantsResources, state } = request;
const before = unpackState(state);
// Somebody is being served already, and that goes first.
if (before.compiled !== null) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const builder = createBuilder(options, before);
const { resources, routing, endpoints, ...rest } = builder.build(files, sourceProblems);
const answer: BuildAnswer = {
  ...rest,
  resourceCount: resources.length,
  resources: !wantsResources || resources === before.compiled?.resources ? null : resources,
  routing: routing === before.compiled?.routing ? null : routing,
  endpoints: endpoints === before.compiled?.endpoints ? null : endpoints,
  state: packState(builder.state()),
};
process.stdout.end(serialize(answer));
