// SPDX-License-Identifier: Apache-2.0
// What a destination workload is called in Istio's metrics, from the labels that its endpoint carries.

import { unknownWorkload, type Labels, type WorkloadIdentity } from "../../model/index.ts";

export interface WorkloadHints {
  readonly labels: Labels;
  readonly namespace: string;
  /** Name of the workload when no label says it; "" = not known. */
  readonly fallbackName: string;
  /** Name of the cluster it runs in. */
  readonly cluster: string;
}

/** Alphabet of Kubernetes' generated names (apimachinery rand.SafeEncodeString): no vowels, no look-alikes. */
const generated = "[bcdfghjklmnpqrstvwxz2456789]";
const deploymentPod = new RegExp(`^(.+)-${generated}{6,10}-${generated}{5}$`);
const daemonSetPod = new RegExp(`^(.+)-${generated}{5}$`);
const statefulSetPod = /^(.+)-\d+$/;

/**
 * Istio's canonical labels. The principal stays unknown because it is read from the peer's certificate, and without
 * labels or a name all is unknown: Kiali drops edges where the namespace is known and the workload is not.
 */
export function workloadIdentity({ labels, namespace, fallbackName, cluster }: WorkloadHints): WorkloadIdentity {
  const app = labels["app"] || unknownWorkload.app;
  const workload = labels["service.istio.io/workload-name"] || fallbackName || unknownWorkload.workload;
  const canonicalService =
    labels["service.istio.io/canonical-name"] || labels["app.kubernetes.io/name"] || labels["app"] || workload;
  if (workload === unknownWorkload.workload && canonicalService === unknownWorkload.canonicalService) {
    return unknownWorkload;
  }
  return {
    workload,
    namespace,
    principal: unknownWorkload.principal,
    app,
    version: labels["version"] || unknownWorkload.version,
    cluster,
    canonicalService,
    canonicalRevision:
      labels["service.istio.io/canonical-revision"] ||
      labels["app.kubernetes.io/version"] ||
      labels["version"] ||
      unknownWorkload.canonicalRevision,
  };
}

/** The Deployment, DaemonSet or StatefulSet whose pod has this name, as far as a name tells. */
export function workloadOfPod(pod: string): string {
  return (deploymentPod.exec(pod) ?? daemonSetPod.exec(pod) ?? statefulSetPod.exec(pod))?.[1] ?? pod;
}
