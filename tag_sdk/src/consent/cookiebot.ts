import type { ConsentSources } from "../../types/index";
import { extend } from "../parts";
import { type Mapping, readMapping } from "./mapping";
import { waitFor } from "./wait";

interface Cookiebot {
  consent?: Record<string, boolean | undefined>;
  hasResponse?: boolean;
}

const PURPOSES: Mapping<string> = {
  functional: ["preferences"],
  analytics: ["statistics"],
  personalization: ["preferences"],
  advertising: ["marketing"],
};

/** Reads Cookiebot, once its visitor has answered, now or on an earlier page. */
extend<ConsentSources["cookiebot"]>(({ options, report }) => {
  const read = () => {
    const { consent, hasResponse } = (self as unknown as { Cookiebot?: Cookiebot }).Cookiebot ?? {};
    if (!consent || hasResponse !== true) return false;
    report(readMapping(options.purposes ?? PURPOSES, (category) => consent[category]));
    return true;
  };
  const look = () => waitFor(read, () => {});
  for (const name of ["CookiebotOnConsentReady", "CookiebotOnAccept", "CookiebotOnDecline"]) addEventListener(name, look);
  look();
});
