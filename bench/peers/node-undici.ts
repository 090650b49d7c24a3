// SPDX-License-Identifier: Apache-2.0
// The proxy a careful Node programmer writes: node:http in front, undici's dispatch behind, no streams between.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { Pool } from "undici";

const [port, originPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${originPort}`, { connections: 128, pipelining: 1 });
const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"]);

createServer((request, response) => {
  const headers: string[] = [];
  const raw = request.rawHeaders;
  for (let index = 0; index < raw.length; index += 2) {
    if (!hopByHop.has(raw[index]!.toLowerCase())) headers.push(raw[index]!, raw[index + 1]!);
  }
  headers.push("x-forwarded-for", request.socket.remoteAddress ?? "", "x-request-id", randomUUID());
  const hasBody = request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined;
  pool.dispatch(
    { path: request.url!, method: request.method!, headers, body: hasBody ? request : null },
    {
      onRequestStart() {},
      onResponseStart(controller, statusCode) {
        const kept: string[] = [];
        const received = controller.rawHeaders as Buffer[];
        for (let index = 0; index < received.length; index += 2) {
          const name = received[index]!.toString("latin1");
          if (!hopByHop.has(name.toLowerCase())) kept.push(name, received[index + 1]!.toString("latin1"));
        }
        response.writeHead(statusCode, kept);
      },
      onResponseData(_controller, chunk) {
        response.write(chunk);
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        if (!response.headersSent) response.writeHead(502);
        response.end();
      },
    },
  );
}).listen(port, "127.0.0.1");
