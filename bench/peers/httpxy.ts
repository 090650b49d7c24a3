// SPDX-License-Identifier: Apache-2.0
// httpxy with a keep-alive agent.

import { randomUUID } from "node:crypto";
import { Agent, createServer } from "node:http";

import { createProxyServer } from "httpxy";

const [port, originPort] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 128, maxFreeSockets: 128 });
const proxy = createProxyServer({ target: `http://127.0.0.1:${originPort}`, agent, xfwd: true });
proxy.on("error", (_error, _request, response) => response?.destroy());

createServer((request, response) => {
  request.headers["x-request-id"] = randomUUID();
  void proxy.web(request, response);
}).listen(port, "127.0.0.1");
