// SPDX-License-Identifier: Apache-2.0
// The three ports beside the proxied ones, as Istio numbers them: admin 15000, status 15021, stats 15090.

import { adminEndpoints, statsEndpoints, statusEndpoints, type AdminDeps } from "./admin-pages.ts";
import type { Endpoint } from "./endpoint.ts";
import { listenHttp, type HttpListener, type HttpListenerOptions } from "./http-listener.ts";
import { indexEndpoint } from "./index-page.ts";

/** "" = all addresses; port 0 = any free one. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

export interface AdminOptions {
  /** Keep it on a loopback address: it can end the process and shows everything. */
  readonly admin: AdminAddress;
  readonly status: AdminAddress;
  readonly stats: AdminAddress;
}

export interface AdminServer {
  /**
   * Binds all three and says where. Rejects when one cannot be bound, with a message that names the flag to change;
   * then none is left open.
   */
  listen(): Promise<AdminOptions>;
  /** Stops all three; replies under way have a second. */
  close(): Promise<void>;
}

/** Starts nothing until `listen`. */
export function createAdminServer(deps: AdminDeps, options: AdminOptions): AdminServer {
  const logger = deps.logger.child("admin");
  let listeners: HttpListener[] = [];

  async function close(): Promise<void> {
    const closing = listeners;
    listeners = [];
    await Promise.all(closing.map((listener) => listener.close()));
  }

  async function open(
    listener: HttpListenerOptions,
    endpoints: readonly Endpoint[],
    refresh: AdminDeps["refresh"],
  ): Promise<AdminAddress> {
    const opened = await listenHttp(listener, endpoints, { clock: deps.clock, logger, refresh });
    listeners.push(opened);
    return { host: opened.address, port: opened.port };
  }

  async function listen(): Promise<AdminOptions> {
    const pages = adminEndpoints(deps, deps.clock.nowMs());
    const index = indexEndpoint(`naru ${deps.version}`, pages);
    const admin = { ...options.admin, purpose: "the admin pages", portFlag: "--admin-port", guarded: true };
    const status = { ...options.status, purpose: "readiness probes", portFlag: "--status-port", guarded: false };
    const stats = { ...options.stats, purpose: "metrics", portFlag: "--stats-port", guarded: false };
    try {
      const bound = {
        admin: await open(admin, [index, ...pages], deps.refresh),
        // A probe has to be answered whatever the other threads do.
        status: await open(status, statusEndpoints(deps), null),
        stats: await open(stats, statsEndpoints(deps), deps.refresh),
      };
      logger.info("admin pages are up", {
        admin: bound.admin.port,
        status: bound.status.port,
        stats: bound.stats.port,
      });
      return bound;
    } catch (error) {
      await close();
      throw error;
    }
  }

  return { listen, close };
}
