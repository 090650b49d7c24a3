// SPDX-License-Identifier: Apache-2.0
// Who this process is, from its options: what selects it and what its metrics call it.

import { parseLabels, type OptionValues } from "../cli/index.ts";
import { unknownWorkload, type ProxyIdentity } from "../model/index.ts";

/**
 * Reads --labels, --namespace and --cluster-domain. The workload is named as Istio names its gateways: the `app` label,
 * else `istio-` and the `istio` label, so that dashboards made for istio-ingressgateway find it.
 */
export function identityFrom(values: OptionValues): ProxyIdentity {
  const labels = parseLabels(values);
  const namespace = values.text("namespace");
  const istio = labels["istio"];
  const workload = labels["app"] ?? (istio === undefined ? "naru-gateway" : `istio-${istio}`);
  return {
    workload: {
      ...unknownWorkload,
      workload,
      namespace,
      app: workload,
      canonicalService: labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? workload,
      canonicalRevision:
        labels["service.istio.io/canonical-revision"] ??
        labels["app.kubernetes.io/version"] ??
        labels["version"] ??
        "latest",
      version: labels["version"] ?? "unknown",
      cluster: "Kubernetes",
    },
    labels,
    namespace,
    clusterDomain: values.text("cluster-domain").toLowerCase(),
  };
}
