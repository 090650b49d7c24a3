// SPDX-License-Identifier: Apache-2.0
// Tries of one exchange against endpoints: choose, connect, give up, try again. All accounting of who is busy is here.

import type { Clock, Deadlines, ErrorCode, Random } from "../core/index.ts";
import type { Endings } from "./endings.ts";
import { messageState, type Exchange } from "./exchange.ts";
import { backoffDelayMs, isIdempotent, retriesFailure } from "./retry.ts";
import type { DataPlaneStats } from "./stats.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";
import type { UpstreamPool } from "./upstream-pool.ts";
import { limited } from "./usage.ts";

/** Shorter waits are not worth a timer tick. */
const shortestBackoffMs = 1;

export class Attempts {
  readonly #pool: UpstreamPool;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #stats: DataPlaneStats;
  readonly #endings: Endings;

  constructor(
    pool: UpstreamPool,
    deadlines: Deadlines,
    clock: Clock,
    random: Random,
    stats: DataPlaneStats,
    endings: Endings,
  ) {
    this.#pool = pool;
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#random = random;
    this.#stats = stats;
    this.#endings = endings;
  }

  /**
   * Begins an attempt. Afterwards the exchange has a connected upstream (send now), an upstream or a place in the
   * queue (onUpstreamReady will come), or is already answered.
   */
  start(exchange: Exchange): void {
    const cluster = exchange.cluster!;
    if (!cluster.usage.take(limited.requests, cluster.spec.maxRequests)) {
      this.#end(exchange, false);
      this.#endings.rescue(exchange, "UPSTREAM_OVERFLOW");
      return;
    }
    const endpoint = cluster.select(exchange.tried);
    if (endpoint === null) {
      cluster.usage.giveBack(limited.requests);
      this.#end(exchange, false);
      this.#endings.rescue(exchange, cluster.resolutionFailed ? "DNS_FAILED" : "NO_HEALTHY_UPSTREAM");
      return;
    }
    exchange.endpoint = endpoint;
    exchange.upstreamStartedMs = exchange.attempts === 0 ? exchange.startedMs : this.#clock.nowMs();
    exchange.attempts++;
    exchange.attemptActive = true;
    endpoint.requestsActive++;
    endpoint.requestsTotal++;
    if (this.#pool.acquire(exchange, cluster, endpoint) === "overflow") {
      this.#end(exchange, false);
      this.#endings.rescue(exchange, "UPSTREAM_OVERFLOW");
    }
  }

  /** The response is complete. `clean`: all of the request was sent and nothing came that does not belong to it. */
  succeed(exchange: Exchange, clean: boolean, nowMs: number): void {
    const upstream = exchange.upstream!;
    exchange.upstream = null;
    upstream.exchange = null;
    this.#end(exchange, exchange.responseCode < 500);
    const { upstreamIdleSeconds } = exchange;
    if (upstreamIdleSeconds >= 0) upstream.idleLimitMs = upstreamIdleSeconds * 1_000;
    if (!clean) upstream.discard();
    else if (exchange.upstreamKeepsAlive) this.#pool.release(upstream, nowMs);
    else upstream.close();
  }

  /** The attempt failed: tries again where that is allowed, else the pipeline's rescue ends the exchange. */
  fail(exchange: Exchange, code: ErrorCode, reason: string): void {
    const upstream = exchange.upstream;
    exchange.failureReason = reason;
    if (code === "CONNECT_FAILED" || code === "CONNECT_TIMEOUT") exchange.endpoint!.connectionsFailed++;
    const wasReused = upstream !== null && upstream.exchanges > 0;
    this.#pool.cancel(exchange);
    this.#detach(exchange);
    this.#end(exchange, false);
    if (!exchange.responseStarted && this.#retry(exchange, code, wasReused)) return;
    this.#endings.rescue(exchange, code);
  }

  /** Retries after a response that the route's policy does not accept; false when this response has to do. */
  retryStatus(exchange: Exchange): boolean {
    if (!this.#mayRetry(exchange)) return false;
    this.#detach(exchange);
    this.#end(exchange, false);
    this.#again(exchange);
    return true;
  }

  /** Nobody wants the attempt any more: timeout of the exchange, client gone, request found invalid. */
  abandon(exchange: Exchange): void {
    this.#pool.cancel(exchange);
    this.#deadlines.cancel(exchange.backoffDeadline);
    this.#detach(exchange);
    this.#end(exchange, false);
  }

  onReleased(connection: UpstreamConnection): void {
    this.#pool.onReleased(connection.cluster);
  }

  #retry(exchange: Exchange, code: ErrorCode, wasReused: boolean): boolean {
    // A kept-alive connection that dies without an answer was most likely closed before our request reached it
    // (RFC 9112 §9.3.1), and one with bytes that nobody asked for is as good as dead. Repeating is safe for idempotent
    // methods; it is not the route's retry and is not counted.
    const isDeath = code === "UPSTREAM_DISCONNECT" || code === "UPSTREAM_PROTOCOL_ERROR";
    const foundDead = isDeath && wasReused && !exchange.responseSeen;
    if (foundDead && !exchange.wantsFreshConnection && exchange.replayable && isIdempotent(exchange.method)) {
      exchange.wantsFreshConnection = true;
      this.#stats.deadConnectionRetries++;
      this.restart(exchange);
      return true;
    }
    if (!retriesFailure(exchange.action!.retry, code) || !this.#mayRetry(exchange)) return false;
    this.#again(exchange);
    return true;
  }

  /** True takes one of the cluster's retries, which `#again` must then begin. */
  #mayRetry(exchange: Exchange): boolean {
    if (!exchange.replayable) return false;
    if (exchange.retries >= exchange.action!.retry.attempts) {
      exchange.flags = "URX";
      return false;
    }
    if (exchange.cluster!.usage.take(limited.retries, exchange.cluster!.spec.maxRetries)) return true;
    exchange.flags = "UO";
    return false;
  }

  #again(exchange: Exchange): void {
    exchange.tried.push(exchange.endpoint!);
    exchange.retries++;
    exchange.isRetry = true;
    this.#stats.retries++;
    const delayMs = backoffDelayMs(exchange.action!.retry, exchange.retries, this.#random);
    if (delayMs < shortestBackoffMs) this.restart(exchange);
    else this.#deadlines.schedule(exchange.backoffDeadline, delayMs);
  }

  /** Starts outside the receive path, so a connection that is ready must be told to send. */
  restart(exchange: Exchange): void {
    this.#forgetAttempt(exchange);
    this.start(exchange);
    if (exchange.upstream?.connected === true) exchange.downstream!.offerHeld();
  }

  /** Forgets what the last attempt sent and received. */
  #forgetAttempt(exchange: Exchange): void {
    exchange.responseState = messageState.head;
    exchange.partialFill = 0;
    exchange.requestSent = false;
    exchange.responseSeen = false;
    exchange.interimResponses = 0;
  }

  #detach(exchange: Exchange): void {
    const upstream = exchange.upstream;
    if (upstream === null) return;
    exchange.upstream = null;
    upstream.discard();
  }

  #end(exchange: Exchange, success: boolean): void {
    if (exchange.isRetry) {
      exchange.isRetry = false;
      exchange.cluster!.usage.giveBack(limited.retries);
    }
    if (!exchange.attemptActive) return;
    exchange.attemptActive = false;
    exchange.cluster!.usage.giveBack(limited.requests);
    const endpoint = exchange.endpoint!;
    endpoint.requestsActive--;
    if (success) endpoint.requestsSucceeded++;
    else endpoint.requestsFailed++;
    if (exchange.tryDeadline.scheduled) this.#deadlines.cancel(exchange.tryDeadline);
  }
}
