// SPDX-License-Identifier: Apache-2.0
// TCP for BGP: node:net, on sockets that the platform equips with passwords and hop limits where it can.

import { createServer, Socket, type NetConnectOpts } from "node:net";

import { openGuardedTcp, type GuardedTcp, type TcpGuards } from "../../platform/index.ts";
import { bfdTransport, type BfdTransport } from "./bfd/bfd-transport.ts";

export interface ConnectTo {
  readonly address: string;
  readonly port: number;
  /** "" = the system's choice. */
  readonly sourceAddress: string;
  readonly guards: TcpGuards;
}

export interface BgpListener {
  readonly port: number;
  /** What this peer must sign with from now on; null = nothing. Throws where there are no passwords. */
  setPassword(peer: string, password: string | null): void;
  close(): void;
}

/** What the speaker asks of the network. Sockets are the caller's. */
export interface BgpTransport {
  /** Begins to connect. Throws when the socket cannot be made as asked. */
  connect(to: ConnectTo): Socket;
  /** Throws when the address cannot be bound at once; later failures go to `onError`. `guardsOf` null = refused. */
  listen(
    address: string,
    port: number,
    guardsOf: (remote: string) => TcpGuards | null,
    onAccepted: (socket: Socket, remote: string) => void,
    onError: (error: Error) => void,
  ): BgpListener;
  /** Why there are no passwords and hop limits here; null = there are. */
  readonly unguarded: string | null;
  readonly bfd: BfdTransport;
}

/** Over node:ffi where there is one, which only passwords and hop limits need. */
export function createBgpTransport(): BgpTransport {
  const guarded = openGuardedTcp();
  return typeof guarded === "string" ? plainTransport(guarded) : guardedTransport(guarded);
}

function guardedTransport(tcp: GuardedTcp): BgpTransport {
  return {
    unguarded: null,
    bfd: bfdTransport,
    connect: (to) => {
      const fd = tcp.openStream(to.address, to.guards);
      return new Socket({ fd, readable: true, writable: true }).connect(connectOptions(to));
    },
    listen: (address, port, guardsOf, onAccepted, onError) =>
      tcp.listen(address, port, (fd, remote) => {
        const guards = guardsOf(remote.address);
        if (guards === null) return tcp.close(fd);
        try {
          tcp.limitHops(fd, remote.address, guards);
        } catch (error) {
          tcp.close(fd);
          return onError(error as Error);
        }
        onAccepted(new Socket({ fd, readable: true, writable: true }), remote.address);
      }),
  };
}

function plainTransport(unguarded: string): BgpTransport {
  const refusePassword = (password: string | null): void => {
    if (password !== null) throw new Error(`a password is set, and ${unguarded}`);
  };
  return {
    unguarded,
    bfd: bfdTransport,
    connect: (to) => {
      refusePassword(to.guards.password);
      if (to.guards.minTtl !== null) throw new Error(`TTL security is on, and ${unguarded}`);
      return new Socket().connect(connectOptions(to));
    },
    listen: (address, port, guardsOf, onAccepted, onError) => {
      const server = createServer((socket) => {
        const remote = socket.remoteAddress ?? "";
        const guards = guardsOf(remote);
        // What cannot be checked is not let in.
        if (guards === null || guards.password !== null || guards.minTtl !== null) socket.destroy();
        else onAccepted(socket, remote);
      });
      server.on("error", onError);
      server.listen({ host: address, port, ipv6Only: true });
      return {
        get port() {
          const bound = server.address();
          return bound !== null && typeof bound === "object" ? bound.port : port;
        },
        setPassword: (_peer, password) => refusePassword(password),
        close: () => {
          server.close();
        },
      };
    },
  };
}

function connectOptions({ address, port, sourceAddress }: ConnectTo): NetConnectOpts {
  return { host: address, port, ...(sourceAddress === "" ? {} : { localAddress: sourceAddress }) };
}
