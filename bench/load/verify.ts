// SPDX-License-Identifier: Apache-2.0
// Nothing is timed before it has answered rightly: body, headers that must reach the origin, a chunked POST.

import { Agent, request } from "node:http";

/** Throws what is wrong. */
export async function verify(name: string, port: number, expectedBody: Buffer): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (let round = 0; round < 3; round++) {
      const { status, body } = await send(agent, port, "GET", "/1k", []);
      if (status !== 200 || !body.equals(expectedBody))
        throw new Error(`${name}: GET /1k gave ${status}, ${body.length} bytes`);
    }
    const get = (await send(agent, port, "GET", "/echo?a=b", [])).body.toString();
    const [line, forwardedFor, requestId, traceparent] = get.split("|");
    if (line !== "GET /echo?a=b") throw new Error(`${name}: the origin saw ${line}`);
    if (forwardedFor?.endsWith("127.0.0.1") !== true) throw new Error(`${name}: x-forwarded-for is ${forwardedFor}`);
    if (!/^[0-9a-f-]{32,36}$/.test(requestId ?? "")) throw new Error(`${name}: x-request-id is ${requestId}`);
    if (name === "naru" && !/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/.test(traceparent ?? ""))
      throw new Error(`${name}: traceparent is ${traceparent}`);
    const post = (await send(agent, port, "POST", "/echo", [Buffer.from("hello")])).body.toString();
    if (!post.startsWith("POST /echo|")) throw new Error(`${name}: POST gave ${post}`);
  } finally {
    agent.destroy();
  }
}

async function send(
  agent: Agent,
  port: number,
  method: string,
  path: string,
  chunks: readonly Buffer[],
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
  const outgoing = request({ agent, port, host: "127.0.0.1", method, path }, (response) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }));
    response.on("error", reject);
  });
  outgoing.on("error", reject);
  for (const chunk of chunks) outgoing.write(chunk);
  outgoing.end();
  return promise;
}
