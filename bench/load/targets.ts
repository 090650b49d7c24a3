// SPDX-License-Identifier: Apache-2.0
// What is compared: each target forwards to one origin over kept-alive connections, appends x-forwarded-for and makes
// an x-request-id, on one core.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { naruCommand, naruConfig, type Transport } from "./naru.ts";
import { nginxHead, nginxPaths } from "./nginx.ts";
import { hasTool } from "./processes.ts";

export interface Target {
  readonly name: string;
  /** Why it cannot run here, or null. */
  readonly missing: string | null;
  /** Null = nothing between load and origin. */
  readonly command: Command | null;
}

/** Writes what the program needs below the directory and returns its command line. */
type Command = (setup: Setup) => readonly string[];

export interface Setup {
  readonly directory: string;
  readonly port: number;
  readonly originPort: number;
  /** Takes spans over OTLP/HTTP. */
  readonly sinkPort: number;
  /** Of naru. */
  readonly transport: Transport;
}

const root = new URL("../..", import.meta.url).pathname;

export const targets: readonly Target[] = [
  { name: "direct", missing: null, command: null },
  { name: "naru", missing: null, command: (setup) => naru(setup, traced(setup)) },
  { name: "naru without tracing", missing: null, command: (setup) => naru(setup, []) },
  { name: "naru + access log", missing: null, command: (setup) => naru(setup, [...traced(setup), ...textLog(setup)]) },
  { name: "haproxy", missing: missingTool("haproxy"), command: haproxy },
  { name: "nginx", missing: missingTool("nginx"), command: nginx },
  { name: "node:http + undici", missing: null, command: peer("node-undici") },
  { name: "httpxy", missing: null, command: peer("httpxy") },
  { name: "http-proxy-3", missing: null, command: peer("http-proxy-3") },
];

function naru({ directory, port, originPort, transport }: Setup, options: readonly string[]): readonly string[] {
  const file = join(directory, `naru-${port}.yaml`);
  writeFileSync(file, naruConfig(originPort));
  return naruCommand(file, port, ["--transport", transport, ...options]);
}

/** One request in a hundred leaves a span, as in Istio. */
function traced({ sinkPort }: Setup): readonly string[] {
  return ["--otlp-endpoint", `http://127.0.0.1:${sinkPort}`, "--trace-sampling", "1"];
}

function textLog({ directory }: Setup): readonly string[] {
  return ["--access-log", "text", "--access-log-file", join(directory, "access.log")];
}

function haproxy({ directory, port, originPort }: Setup): readonly string[] {
  const file = join(directory, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-reuse always
frontend bench
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  server origin 127.0.0.1:${originPort}
`,
  );
  return ["haproxy", "-db", "-f", file];
}

function nginx({ directory, port, originPort }: Setup): readonly string[] {
  const file = join(directory, "nginx.conf");
  writeFileSync(
    file,
    `${nginxHead(directory, "proxy")}
http {
  ${nginxPaths(directory, "proxy")}
  access_log off;
  keepalive_requests 1000000000;
  upstream origin { server 127.0.0.1:${originPort}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      # As much as naru keeps of a body: a read of 128 KiB and 64 KiB not yet taken by the client, none of it on disk.
      proxy_buffering on;
      proxy_buffer_size 64k;
      proxy_buffers 2 64k;
      proxy_busy_buffers_size 64k;
      proxy_max_temp_file_size 0;
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Request-Id $request_id;
    }
  }
}
`,
  );
  return ["nginx", "-e", "stderr", "-p", directory, "-c", file];
}

function peer(name: string): Command {
  return ({ port, originPort }) => [
    process.execPath,
    join(root, `bench/peers/${name}.ts`),
    String(port),
    String(originPort),
  ];
}

function missingTool(name: string): string | null {
  return hasTool(name) ? null : `${name} is not installed (apt-get install ${name})`;
}
