// SPDX-License-Identifier: Apache-2.0
// Where the spans of a traced naru go: reads what is exported over OTLP/HTTP and answers 200.
//
//   node bench/load/otlp-sink.ts PORT

import { createServer } from "node:http";

createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": request.headers["content-type"] ?? "application/json" }).end();
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
