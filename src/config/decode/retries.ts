// SPDX-License-Identifier: Apache-2.0
// HTTPRetry of a VirtualService, and Envoy's retry-on words.

import { defaultRetries, retryOnConditions, type RetryOn, type RetrySpec } from "../../model/index.ts";
import { durationMs } from "./duration.ts";
import { excerpt, type Place } from "./place.ts";
import { isOneOf, object, optional, unserved, type Decoder } from "./schema.ts";
import { int, maxInt32, text } from "./values.ts";

const unservedWords: ReadonlySet<string> = new Set(["retriable-headers", "http3-post-connect-failure"]);

interface RetryOnWords {
  readonly words: readonly RetryOn[];
  readonly statusCodes: readonly number[];
}

export const retries: Decoder<RetrySpec> = object(
  "istio",
  {
    attempts: optional(int(0, maxInt32)),
    perTryTimeout: optional(durationMs("zero-allowed")),
    retryOn: optional(retryOnWords),
    backoff: optional(durationMs("positive")),
    retryRemoteLocalities: unserved("a retry goes to endpoints of all localities alike", isOneOf(false)),
    retryIgnorePreviousHosts: unserved("a retry prefers an endpoint that was not tried yet", isOneOf(true)),
  },
  (fields, { place, at }): RetrySpec | undefined => {
    const attempts = fields.attempts ?? 0;
    if (attempts === 0 && (at("perTryTimeout") !== undefined || at("retryOn") !== undefined)) {
      return place.error(
        "CONFLICT",
        "`attempts` is 0 or missing, which turns retries off; set `attempts`, or remove the other fields",
      );
    }
    return {
      attempts,
      perTryTimeoutMs: fields.perTryTimeout ?? 0,
      retryOn: fields.retryOn?.words ?? defaultRetries.on,
      retriableStatusCodes: fields.retryOn?.statusCodes ?? [],
      backoffMs: fields.backoff ?? defaultRetries.backoffMs,
    };
  },
);

function retryOnWords(place: Place): RetryOnWords | undefined {
  const value = text(place);
  if (value === undefined) return undefined;
  const words = new Set<RetryOn>();
  const statusCodes = new Set<number>();
  for (const written of value.split(",")) {
    const word = written.trim().toLowerCase();
    if (isServed(word)) words.add(word);
    else if (/^[1-5]\d\d$/.test(word)) statusCodes.add(Number(word));
    else if (unservedWords.has(word)) {
      place.warn("UNSERVED_FIELD", `retrying on ${word} is not served yet: such failures are not retried`);
    } else if (word !== "")
      place.warn("VALUE", `${excerpt(word)} is no condition to retry on and is ignored; remove it`);
  }
  if (statusCodes.size > 0) words.add("retriable-status-codes");
  if (words.size === 0 && value.trim() === "") return { words: defaultRetries.on, statusCodes: [] };
  return { words: [...words], statusCodes: [...statusCodes] };
}

function isServed(word: string): word is RetryOn {
  return retryOnConditions.some((condition) => condition === word);
}
