// SPDX-License-Identifier: Apache-2.0
// http-proxy-3 with a keep-alive agent, the faster and unsafe way to use it: see docs/decisions for why naru does not.

import { randomUUID } from "node:crypto";
import { Agent, createServer } from "node:http";

import { createProxyServer } from "http-proxy-3";

const [port, originPort] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 128, maxFreeSockets: 128 });
const proxy = createProxyServer({ target: `http://127.0.0.1:${originPort}`, agent, xfwd: true });
proxy.on("error", (_error, _request, response) => response.destroy());

createServer((request, response) => {
  request.headers["x-request-id"] = randomUUID();
  proxy.web(request, response);
}).listen(port, "127.0.0.1");
