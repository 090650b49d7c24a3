// SPDX-License-Identifier: Apache-2.0
// Link: turns a flat list of resources into services, policies and gateways that know each other.

import type { ProblemList, ResourcesByKind, VirtualService } from "../../model/index.ts";
import { linkDestinationRules, type DestinationRules } from "./destination-rules.ts";
import { checkDestinationRule, checkDestinations } from "./destinations.ts";
import { linkGateways, type LinkedGateways } from "./gateways.ts";
import { isExportedTo, meshGateway, type CompileOptions } from "./options.ts";
import { linkServices, type ServiceRegistry } from "./services.ts";

/** What both compilers need: destinations and what holds for them. */
export interface LinkedServices {
  readonly services: ServiceRegistry;
  readonly rules: DestinationRules;
}

export interface LinkedRouting extends LinkedServices {
  readonly gateways: LinkedGateways;
  /** Those exported to the client namespace, oldest first. */
  readonly virtualServices: readonly VirtualService[];
}

/** Everything that routing depends on; reports references that lead nowhere on the resource that makes them. */
export function linkRouting(resources: ResourcesByKind, options: CompileOptions, problems: ProblemList): LinkedRouting {
  const services = linkServices(resources, options, problems);
  const rules = linkDestinationRules(resources, options);
  const gateways = linkGateways(resources, options, problems);
  const { namespace } = options.identity;
  const virtualServices = resources.VirtualService.filter((each) => isExportedTo(each.exportTo, namespace));
  for (const virtualService of virtualServices) {
    checkDestinations(virtualService, services, rules, problems);
    checkGateways(virtualService, gateways, problems);
  }
  for (const rule of resources.DestinationRule) {
    if (isExportedTo(rule.exportTo, namespace)) checkDestinationRule(rule, services, problems);
  }
  return { services, rules, gateways, virtualServices };
}

function checkGateways(virtualService: VirtualService, gateways: LinkedGateways, problems: ProblemList): void {
  for (const [index, gateway] of virtualService.gateways.entries()) {
    if (gateway === meshGateway || gateways.known.has(gateway)) continue;
    problems.add({
      code: "REFERENCE",
      severity: "warning",
      resource: virtualService,
      path: `spec.gateways[${index}]`,
      message: `there is no Gateway ${gateway}`,
    });
  }
}
