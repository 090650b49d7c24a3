// SPDX-License-Identifier: Apache-2.0
// A real nginx as origin, in a folder of its own, on a port nobody can take in between.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class NginxOrigin implements AsyncDisposable {
  readonly port: number;
  /** Its document root. */
  readonly folder: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number, folder: string) {
    this.#process = process;
    this.port = port;
    this.folder = folder;
  }

  /** `directives` go into the only server block. */
  static async start(nginx: string, directives: string): Promise<NginxOrigin> {
    const folder = await mkdtemp(join(tmpdir(), "naru-nginx-"));
    const socket = createServer();
    socket.listen({ port: 0, host: "127.0.0.1" });
    await once(socket, "listening");
    const { port } = socket.address() as AddressInfo;
    await writeFile(join(folder, "nginx.conf"), configuration(folder, port, directives));
    // nginx takes over a listening socket whose number stands in NGINX, as it does when its program is replaced.
    const process = spawn(nginx, ["-e", "stderr", "-p", folder, "-c", join(folder, "nginx.conf")], {
      stdio: ["ignore", "ignore", "ignore", descriptorOf(socket)],
      env: { NGINX: "3;" },
    });
    await once(process, "spawn");
    socket.close();
    return new NginxOrigin(process, port, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "exit");
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** net.Server does not show its descriptor; its handle does. */
function descriptorOf(server: object): number {
  const handle: unknown = Reflect.get(server, "_handle");
  assert.ok(typeof handle === "object" && handle !== null);
  const descriptor: unknown = Reflect.get(handle, "fd");
  assert.ok(typeof descriptor === "number");
  return descriptor;
}

function configuration(folder: string, port: number, directives: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/tmp;`,
  );
  return `
    daemon off;
    # Only root may say so, and then its folders are closed to everybody else.
    user root root;
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    events { worker_connections 64; }
    http {
      access_log off;
      ${temporary.join("\n")}
      server {
        listen 127.0.0.1:${port};
        root ${folder};
        ${directives}
      }
    }`;
}
