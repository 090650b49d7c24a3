// SPDX-License-Identifier: Apache-2.0
// What is compared: each target forwards to one origin over kept-alive connections, appends x-forwarded-for and makes
// an x-request-id, on one core. Configuration is written into the run's own directory.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { hasTool } from "./processes.ts";

export interface Target {
  readonly name: string;
  /** Why it cannot run here, or null. */
  readonly missing: string | null;
  /** Writes what it needs below `directory` and returns its command line. */
  command(directory: string, port: number, originPort: number): readonly string[];
}

const root = new URL("../..", import.meta.url).pathname;

export const targets: readonly Target[] = [
  { name: "naru", missing: null, command: naru(() => ["--access-log", "off"]) },
  { name: "naru + access log", missing: null, command: naru(textLog) },
  { name: "haproxy", missing: missingTool("haproxy"), command: haproxy },
  { name: "nginx", missing: missingTool("nginx"), command: nginx },
  { name: "node:http + undici", missing: null, command: peer("node-undici") },
  { name: "httpxy", missing: null, command: peer("httpxy") },
  { name: "http-proxy-3", missing: null, command: peer("http-proxy-3") },
];

/** The origin everything forwards to: 1 kB, 64 KiB and 1 MiB files, and `/echo`, which tells what arrived. */
export function originCommand(directory: string, port: number): readonly string[] {
  const file = join(directory, "origin.conf");
  writeFileSync(
    file,
    `${nginxHead(directory, "origin")}
http {
  ${nginxPaths(directory, "origin")}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { root ${directory}; }
    location /echo { return 200 "$request_method $request_uri|$http_x_forwarded_for|$http_x_request_id|$content_length"; }
  }
}
`,
  );
  return ["nginx", "-e", "stderr", "-p", directory, "-c", file];
}

/** As in production, on one thread: the bundle, metrics on. */
function naru(logOptions: (directory: string) => readonly string[]): Target["command"] {
  return (directory, port, originPort) => {
    const file = join(directory, `naru-${port}.yaml`);
    writeFileSync(file, naruConfig(originPort));
    const ports = ["--listen", `80=127.0.0.1:${port}`, "--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
    const program = [process.execPath, join(root, "dist/main.js"), "gateway"];
    return [...program, "-f", file, ...ports, "--concurrency", "1", ...logOptions(directory)];
  };
}

function textLog(directory: string): readonly string[] {
  return ["--access-log", "text", "--access-log-file", join(directory, "access.log")];
}

function naruConfig(originPort: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: bench }
spec:
  hosts: ["*"]
  gateways: [bench]
  http:
  - match:
    - uri: { prefix: / }
    route:
    - destination: { host: web, port: { number: 80 } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports:
  - { name: http, port: 80 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: web-1, labels: { app: web, version: v1 } }
spec:
  address: 127.0.0.1
  labels: { app: web, version: v1 }
  ports: { http: ${originPort} }
`;
}

function haproxy(directory: string, port: number, originPort: number): readonly string[] {
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

function nginx(directory: string, port: number, originPort: number): readonly string[] {
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

function peer(name: string): Target["command"] {
  return (_directory, port, originPort) => [
    process.execPath,
    join(root, `bench/peers/${name}.ts`),
    String(port),
    String(originPort),
  ];
}

function nginxHead(directory: string, role: string): string {
  return `daemon off;
worker_processes 1;
pid ${directory}/${role}.pid;
error_log stderr error;
events { worker_connections 8192; }`;
}

/** nginx wants its temporary folders even when it never writes there. */
function nginxPaths(directory: string, role: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/${role}-${kind};`)
    .join(" ");
}

function missingTool(name: string): string | null {
  return hasTool(name) ? null : `${name} is not installed (apt-get install ${name})`;
}
