// SPDX-License-Identifier: Apache-2.0
// What every nginx of the bench has in its configuration, as origin and as peer.

/** One worker in the foreground. */
export function nginxHead(directory: string, role: string): string {
  return `daemon off;
worker_processes 1;
pid ${directory}/${role}.pid;
error_log stderr error;
events { worker_connections 16384; }`;
}

/** nginx wants its temporary folders even when it never writes there. */
export function nginxPaths(directory: string, role: string): string {
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${directory}/${role}-${kind};`)
    .join(" ");
}
