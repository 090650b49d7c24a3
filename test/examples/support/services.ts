// SPDX-License-Identifier: Apache-2.0
// The example's services in this process, behind a fake mesh, and requests with every byte of the path under control.

import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";

import { startService, type Service, type ServiceOptions } from "../../../examples/bookinfo/services/shared/service.ts";
import { startFakeMesh, type FakeMesh } from "./fake-mesh.ts";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RequestParts {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

export interface ServiceUnderTest extends AsyncDisposable {
  readonly port: number;
  readonly mesh: FakeMesh;
  /** Sends `path` exactly as it is written, dots and all. */
  ask(path: string, parts?: RequestParts): Promise<Reply>;
}

/** One service on a free port whose calls go to `mesh`. */
export async function serve(create: (options: ServiceOptions) => Service, version = "v1"): Promise<ServiceUnderTest> {
  const mesh = await startFakeMesh();
  const options = { version, podName: `pod-${version}`, clusterName: "test", meshUrl: mesh.url };
  const running = await startService(create(options), "127.0.0.1", 0);
  return {
    port: running.port,
    mesh,
    ask: (path, parts) => ask(running.port, path, parts),
    async [Symbol.asyncDispose]() {
      await running.close(0);
      await mesh[Symbol.asyncDispose]();
    },
  };
}

export function ask(
  port: number,
  path: string,
  { method = "GET", headers = {}, body }: RequestParts = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      response.once("error", reject);
    });
    request.once("error", reject);
    request.end(body);
  });
}

/** A target of the fake mesh that answers every call alike. */
export function answering(status: number, body: unknown): Parameters<FakeMesh["route"]>[1] {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}
