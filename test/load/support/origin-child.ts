// SPDX-License-Identifier: Apache-2.0
// An origin as a process of its own, to be killed: writes its port, then serves until then.

import { LoadOrigin } from "../../support/load-origin.ts";

const origin = await LoadOrigin.start({ version: "child" });
process.stdout.write(`${origin.port}\n`);
