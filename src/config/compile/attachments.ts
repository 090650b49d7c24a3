// SPDX-License-Identifier: Apache-2.0
// What became of each VirtualService over all listeners: which of its routes are served somewhere, and why not.

import type { ProblemList, RouteSpec, VirtualService } from "../../model/index.ts";
import { getOrCreate } from "../link/destination-rules.ts";
import type { LinkedGateways } from "../link/gateways.ts";
import { meshGateway, type CompileOptions } from "../link/options.ts";
import { concernsClient } from "./routes.ts";

export interface Attachments {
  /** Routes that stand in a table. */
  served(virtualService: VirtualService, routes: readonly RouteSpec[]): void;
  /** A route that an earlier one hides in some table; a problem unless another table serves it. */
  hidden(virtualService: VirtualService, route: RouteSpec, because: string): void;
  /** The VirtualService lost a host; it is reported as that, not also as unattached. */
  lostHost(virtualService: VirtualService): void;
  /** Call once, when all tables are built. */
  report(virtualServices: readonly VirtualService[], problems: ProblemList): void;
}

interface Fate {
  readonly served: Set<string>;
  readonly hidden: Map<string, { readonly route: RouteSpec; readonly because: string }>;
  lostHost: boolean;
}

export function createAttachments(gateways: LinkedGateways, options: CompileOptions): Attachments {
  const fates = new Map<VirtualService, Fate>();
  const fateOf = (virtualService: VirtualService): Fate =>
    getOrCreate(fates, virtualService, () => ({ served: new Set(), hidden: new Map(), lostHost: false }));
  return {
    served(virtualService, routes) {
      const { served } = fateOf(virtualService);
      for (const route of routes) served.add(route.origin.path);
    },
    hidden(virtualService, route, because) {
      const { hidden } = fateOf(virtualService);
      if (!hidden.has(route.origin.path)) hidden.set(route.origin.path, { route, because });
    },
    lostHost(virtualService) {
      fateOf(virtualService).lostHost = true;
    },
    report(virtualServices, problems) {
      for (const virtualService of virtualServices) {
        const fate = fateOf(virtualService);
        if (fate.served.size === 0 && !fate.lostHost && fate.hidden.size === 0) {
          reportUnattached(virtualService, gateways, options, problems);
        }
        for (const [path, { route, because }] of fate.hidden) {
          if (fate.served.has(path)) continue;
          problems.add({
            code: "UNREACHABLE_ROUTE",
            severity: "warning",
            resource: virtualService,
            position: route.origin.position,
            path,
            message: because,
          });
        }
      }
    },
  };
}

/** Says why nothing of a VirtualService is served; a Gateway that does not exist has been reported as such. */
function reportUnattached(
  virtualService: VirtualService,
  gateways: LinkedGateways,
  options: CompileOptions,
  problems: ProblemList,
): void {
  const named = virtualService.gateways.filter((gateway) => gateway !== meshGateway);
  const attached = named.filter((gateway) => gateways.attached.has(gateway));
  const usesMesh = virtualService.gateways.includes(meshGateway);
  if (attached.length > 0) {
    problems.add({
      code: "UNATTACHED",
      severity: "warning",
      resource: virtualService,
      path: "spec.hosts",
      message:
        `no server of ${attached.join(", ")} takes its hosts (${virtualService.hosts.join(", ")}) ` +
        `from namespace ${virtualService.namespace}, or no rule applies to its ports`,
    });
  } else if (usesMesh && options.mesh !== null) {
    const isForOthers = virtualService.http.every(
      ({ match }) => match.length > 0 && !match.some((block) => concernsClient(block, options)),
    );
    problems.add({
      code: "UNATTACHED",
      severity: isForOthers ? "info" : "warning",
      resource: virtualService,
      path: "spec.http",
      message: isForOthers
        ? "sourceLabels and sourceNamespace of all its rules are those of other workloads"
        : "no rule applies: check the ports and gateways of its match blocks",
    });
  } else if (usesMesh || named.some((gateway) => gateways.known.has(gateway))) {
    problems.add({
      code: "UNATTACHED",
      severity: "info",
      resource: virtualService,
      path: "spec.gateways",
      message: `it applies to ${virtualService.gateways.join(", ")}, which this proxy does not serve`,
    });
  }
}
