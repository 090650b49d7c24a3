// SPDX-License-Identifier: Apache-2.0
// HTTPMatchRequest of a VirtualService (istio.io/latest/docs/reference/config/networking/virtual-service).

import type { HttpMatch, StringMatch } from "../../model/index.ts";
import { excerpt, type Place } from "./place.ts";
import { dnsLabel, gatewayName, labels } from "./names.ts";
import { object, optional, unserved, type Decoder } from "./schema.ts";
import { namedMatch, valueMatch } from "./string-match.ts";
import { bool, int, list, record, text } from "./values.ts";

/** Istio takes these from the fields of the same name and passes over them among the headers. */
const fieldNames: ReadonlySet<string> = new Set(["uri", "scheme", "method", "authority"]);
/** RFC 9110 §5.6.2 token. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** One for all: an empty object of its own takes 56 bytes, and a usual match would have four. */
const none: Readonly<Record<string, never>> = {};

const headerMatches: Decoder<Readonly<Record<string, StringMatch>>> = record(namedMatch, headerName);
const queryMatches: Decoder<Readonly<Record<string, StringMatch>>> = record(namedMatch, (name, place) => {
  if (name !== "") return name;
  place.reportKey("VALUE", "error", "a query parameter has an empty name; write one");
  return null;
});

export const httpMatch: Decoder<HttpMatch> = object(
  "istio",
  {
    name: optional(text),
    uri: optional(valueMatch),
    ignoreUriCase: optional(bool),
    scheme: optional(valueMatch),
    method: optional(valueMatch),
    authority: optional(valueMatch),
    headers: optional(headerMatches),
    withoutHeaders: optional(headerMatches),
    queryParams: optional(queryMatches),
    // protobuf cannot tell 0 from absent.
    port: optional(int(0, 65_535)),
    gateways: optional(list(gatewayName)),
    sourceLabels: optional(labels),
    sourceNamespace: optional(dnsLabel),
    statPrefix: unserved("no metrics of its own are kept for the route, the request metrics cover it"),
  },
  (fields, { place, at }): HttpMatch | undefined => {
    if (place.value.kind === "map" && place.value.entries.size === 0) {
      return place.error(
        "VALUE",
        "a match block has no condition; write one, or remove `match` to match every request",
      );
    }
    if (fields.ignoreUriCase === true && fields.uri?.kind === "regex") {
      at("ignoreUriCase")?.warn(
        "VALUE",
        "ignoreUriCase does not act on a regular expression; start the expression with (?i) instead",
      );
    }
    return {
      position: place.position,
      name: fields.name ?? "",
      uri: fields.uri ?? null,
      ignoreUriCase: fields.ignoreUriCase ?? false,
      scheme: fields.scheme ?? null,
      method: fields.method ?? null,
      authority: fields.authority ?? null,
      headers: fields.headers ?? none,
      withoutHeaders: fields.withoutHeaders ?? none,
      queryParams: fields.queryParams ?? none,
      port: fields.port === 0 ? null : (fields.port ?? null),
      gateways: fields.gateways === undefined || fields.gateways.length === 0 ? null : fields.gateways,
      sourceLabels: fields.sourceLabels ?? none,
      sourceNamespace: fields.sourceNamespace ?? "",
    };
  },
);

/** Lower case, or null after reporting. */
function headerName(name: string, place: Place): string | null {
  if (name.startsWith("@request.auth.claims")) {
    place.reportKey(
      "UNSERVED_FIELD",
      "error",
      "matching on JWT claims is not served yet: the route would match without them; remove the match block",
    );
    return null;
  }
  if (!token.test(name)) {
    place.reportKey("VALUE", "error", `${excerpt(name)} is not a valid header name; use letters, digits and dashes`);
    return null;
  }
  if (!fieldNames.has(name)) return name.toLowerCase();
  place.reportKey(
    "VALUE",
    "warning",
    `\`${name}\` is not matched among the headers; write it as a field of the match block`,
  );
  return null;
}
