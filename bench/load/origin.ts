// SPDX-License-Identifier: Apache-2.0
// The origin everything forwards to: nginx with 1 kB, 64 KiB and 1 MiB files, `/echo`, which tells what arrived, and
// `/accepted`, which tells how many connections it was asked for.

import { mkdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { Child, freePort, loadCore } from "./processes.ts";
import { nginxHead, nginxPaths } from "./nginx.ts";

const sizes = { "1k": 1_024, "64k": 65_536, "1m": 1_048_576 };

export class Origin implements AsyncDisposable {
  readonly port: number;
  readonly #process: Child;

  private constructor(port: number, child: Child) {
    this.port = port;
    this.#process = child;
  }

  /** Keeps its files below `directory`; runs on `cores`. */
  static async start(directory: string, cores: string = String(loadCore)): Promise<Origin> {
    const port = await freePort();
    const files = join(directory, "files");
    mkdirSync(files, { recursive: true });
    for (const name of Object.keys(sizes)) writeFileSync(join(files, name), body(`/${name}`));
    const config = join(directory, `origin-${port}.conf`);
    writeFileSync(config, configuration(directory, files, port));
    const command = ["nginx", "-e", "stderr", "-p", directory, "-c", config];
    return new Origin(port, await Child.start("origin", cores, port, command));
  }

  /** Connections accepted so far, but for those that asked this. */
  async accepted(): Promise<number> {
    this.#asked++;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    get({ port: this.port, host: "127.0.0.1", path: "/accepted", agent: false }, (response) => {
      text(response).then(resolve, reject);
    }).on("error", reject);
    // "server accepts handled requests" and their numbers below.
    const numbers = /requests\s+(\d+) /.exec(await promise);
    return Number(numbers![1]) - this.#asked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  #asked = 0;
}

/** What the origin answers at `/1k`, `/64k` or `/1m`. */
export function body(path: string): Buffer {
  const bytes = sizes[path.slice(1) as keyof typeof sizes];
  if (bytes === undefined) throw new Error(`no such path: ${path}; there are /${Object.keys(sizes).join(", /")}`);
  return Buffer.from("naru".repeat(bytes / 4));
}

function configuration(directory: string, files: string, port: number): string {
  const seen = "$request_method $request_uri|$http_x_forwarded_for|$http_x_request_id|$http_traceparent";
  return `${nginxHead(directory, "origin")}
http {
  ${nginxPaths(directory, "origin")}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { root ${files}; }
    location /echo { return 200 "${seen}"; }
    location /accepted { stub_status; }
  }
}
`;
}
