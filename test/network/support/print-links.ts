// SPDX-License-Identifier: Apache-2.0
// Prints the interfaces of the namespace that it is run in, as JSON.

import { openLibc, readLinks } from "../../../src/platform/index.ts";

const libc = openLibc();
if (typeof libc === "string") throw new Error(libc);
process.stdout.write(JSON.stringify(readLinks(libc)));
