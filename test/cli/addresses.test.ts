// SPDX-License-Identifier: Apache-2.0
// `naru up` and `naru gateway --announce` without privilege: addresses of the loopback, and what is said about them. Real
// announcing is in test/network/.

import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";

import { requireTool } from "../support/requires.ts";
import { runNaru, startNaru } from "./support/run-naru.ts";
import { gatewayYaml, openWorkspace, readText, startOrigin } from "./support/workspace.ts";

const freePorts = ["--admin-port", "0", "--status-port", "0", "--stats-port", "0"];
const ports = ["--listen", "80=0", "--mesh-port", "0", ...freePorts];

const poolYaml = `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec: {addresses: [192.0.2.1-192.0.2.9]}
`;
const serviceYaml = (name: string): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, annotations: {metallb.io/loadBalancerIPs: 192.0.2.5}}
spec: {type: LoadBalancer, selector: {istio: ingressgateway}, ports: [{port: 80}]}
`;

async function ask(host: string, port: number): Promise<string> {
  const [message] = (await once(get({ host, port, headers: { host: "shop.example" }, agent: false }), "response")) as [
    IncomingMessage,
  ];
  return await readText(message);
}

suite("addresses of naru up", () => {
  for (const [what, yaml, options, reason] of [
    ["without a pool", "", [], "there is no IPAddressPool"],
    ["that nothing announces", poolYaml, [], "there is neither an L2Advertisement nor a BGPAdvertisement"],
    ["with --no-announce", poolYaml, ["--no-announce"], "--no-announce"],
  ] as const) {
    test(`${what} are of the loopback, one for each Service, and it is said why`, async () => {
      await using origin = await startOrigin((_, reply) => void reply.end("hello"));
      await using workspace = await openWorkspace();
      const services = serviceYaml("edge") + serviceYaml("second");
      await workspace.write("all.yaml", `${gatewayYaml(origin.port, "/")}${services}${yaml}`);
      await using naru = startNaru(["up", workspace.folder, ...ports, ...options]);
      const [, admin = ""] = await naru.waitFor("stderr", /admin pages are up .*admin=(\d+)/);
      await naru.waitFor("stdout", new RegExp(`^ +Service default/edge: 127\\.0\\.0\\.1 .*: ${reason}$`, "m"));
      for (const [at, host] of ["127.0.0.1", "127.0.0.2"].entries()) {
        const url = new RegExp(`^ +http://${host.replaceAll(".", "\\.")}:(\\d+)/ +gateway port 80`, "m");
        const [, port] = await naru.waitFor("stdout", url);
        assert.equal(await ask(host, Number(port)), "hello", `${at}`);
      }
      assert.match(naru.stderr(), /nothing is announced; .* services=Service\/default\/edge,Service\/default\/second /);
      const { stdout } = await runNaru(["vips", "--admin", `127.0.0.1:${admin}`]);
      assert.match(stdout, new RegExp(`^default/second +127\\.0\\.0\\.2 +loopback .*${reason}$`, "m"));
      naru.process.kill("SIGINT");
      assert.equal((await naru.ended).code, 0);
    });
  }

  test("are of the loopback without privilege, though there is a pool", async (t) => {
    const setpriv = requireTool(t, "setpriv");
    if (setpriv === null) return;
    await using workspace = await openWorkspace();
    const advertisement =
      "---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: lan, namespace: metallb-system}\n";
    await workspace.write("all.yaml", `${gatewayYaml(1, "/")}${serviceYaml("edge")}${poolYaml}${advertisement}`);
    // Whoever is not root has it not, nor may he drop it.
    const through = process.getuid?.() === 0 ? [setpriv, "--bounding-set=-net_admin"] : [];
    await using naru = startNaru(["up", workspace.folder, ...ports], {}, through);
    await naru.waitFor("stdout", /^ +Service default\/edge: 127\.0\.0\.1 .*: CAP_NET_ADMIN is missing$/m);
    naru.process.kill("SIGINT");
    assert.equal((await naru.ended).code, 0);
  });

  test("are left to --bind where that is given", async () => {
    await using workspace = await openWorkspace();
    await workspace.write("all.yaml", `${gatewayYaml(1, "/")}${serviceYaml("edge")}${serviceYaml("second")}`);
    await using naru = startNaru(["up", workspace.folder, ...ports, "--bind", "127.0.0.3"]);
    await naru.waitFor("stdout", /^ +http:\/\/127\.0\.0\.3:\d+\/ +gateway port 80/m);
    assert.doesNotMatch(naru.stdout(), /127\.0\.0\.2:|Service /);
  });
});

suite("naru gateway", () => {
  test("has an example with an address, in which nothing is wrong", async () => {
    const example = fileURLToPath(new URL("../../examples/announced-gateway", import.meta.url));
    const { code, stdout } = await runNaru(["validate", example]);
    assert.deepEqual([code, stdout], [0, "7 resources read: 0 errors, 0 warnings\n"]);
  });

  test("takes options of announcing with --announce only", async () => {
    const { code, stderr } = await runNaru(["gateway", "-f", ".", "--node", "a"]);
    assert.equal(code, 2);
    assert.match(stderr, /^naru: --node means nothing without --announce$/m);
  });
});
