// SPDX-License-Identifier: Apache-2.0
// Which protocol a service port speaks, as Istio decides it without looking at the traffic.

/** `unknown` is left to sniffing in Istio and is HTTP here. */
export type PortProtocol =
  | "http"
  | "http2"
  | "grpc"
  | "https"
  | "tls"
  | "tcp"
  | "udp"
  | "mongo"
  | "redis"
  | "mysql"
  | "unknown";

const protocolNames: Readonly<Record<string, PortProtocol>> = {
  http: "http",
  http_proxy: "http",
  "kubernetes.io/ws": "http",
  http2: "http2",
  "kubernetes.io/h2c": "http2",
  grpc: "grpc",
  "grpc-web": "grpc",
  https: "https",
  "kubernetes.io/wss": "https",
  tls: "tls",
  tcp: "tcp",
  udp: "udp",
  mongo: "mongo",
  redis: "redis",
  mysql: "mysql",
};

/** Server-first protocols on their usual ports hang when sniffed, so Istio takes them for TCP. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

const httpProtocols: ReadonlySet<PortProtocol> = new Set(["http", "http2", "grpc", "unknown"]);

export interface PortHints {
  readonly name: string;
  readonly number: number;
  readonly appProtocol: string;
  /** Kubernetes transport: TCP, UDP, SCTP. */
  readonly transport: string;
}

/** appProtocol, then the port name up to its first `-`, then the port number. */
export function portProtocol(port: PortHints): PortProtocol {
  if (port.transport === "UDP" || port.transport === "SCTP") return "udp";
  const declared = lookUp(port.appProtocol.toLowerCase());
  if (declared !== null) return declared;
  const name = port.name.toLowerCase();
  const named = lookUp(name) ?? (name.startsWith("grpc-web-") ? "grpc" : lookUp(name.split("-", 1)[0]!));
  if (named !== null) return named;
  return serverFirstPorts.has(port.number) ? "tcp" : "unknown";
}

/** Whether ports of this protocol get HTTP routes. */
export function isHttpProtocol(protocol: PortProtocol): boolean {
  return httpProtocols.has(protocol);
}

function lookUp(name: string): PortProtocol | null {
  return Object.hasOwn(protocolNames, name) ? protocolNames[name]! : null;
}
