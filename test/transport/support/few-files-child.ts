// SPDX-License-Identifier: Apache-2.0
// Runs in a child with few file descriptors: a listener that echoes. Prints its port, then each code it is told of that
// it has not heard before, one per line. Ends, and leaves nothing open, with its standard input.

import { once } from "node:events";

import { transportUnderTest, type Connection } from "../../support/transport-under-test.ts";

const errors = new Set<string>();
const open = new Set<Connection>();
const transport = transportUnderTest.create();
const listener = await transport.listen(
  {
    host: "127.0.0.1",
    port: 0,
    backlog: 511,
    reusePort: false,
    onAcceptError: (error) => {
      const code = "code" in error ? String(error.code) : error.message;
      if (!errors.has(code)) process.stdout.write(`${code}\n`);
      errors.add(code);
    },
  },
  (connection) => {
    open.add(connection);
    return {
      onConnect: () => undefined,
      onData(bytes, from, to) {
        bytes.copy(connection.reserve(to - from), 0, from, to);
        connection.send(to - from);
      },
      onDrain: () => undefined,
      onEnd: () => connection.close(),
      onClose: () => open.delete(connection),
    };
  },
);
process.stdout.write(`${listener.port}\n`);
process.stdin.resume();
await once(process.stdin, "end");
for (const connection of open) connection.destroy(true);
await listener.close();
await listener.ended;
await transport.close();
