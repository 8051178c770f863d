import type { ConsentSources } from "../../types/index";
import { extend } from "../parts";
import { type Mapping, readMapping } from "./mapping";
import { waitFor } from "./wait";

interface OneTrust {
  IsAlertBoxClosed?(): boolean;
  OnConsentChanged?(listener: () => void): void;
}
interface OneTrustPage {
  OneTrust?: OneTrust;
  OnetrustActiveGroups?: unknown;
  OptanonActiveGroups?: unknown;
}

const PURPOSES: Mapping<string> = { functional: ["C0003"], analytics: ["C0002"], advertising: ["C0004"] };

/** Reads OneTrust. `window.OneTrust` may stand there half-built, and until the banner is answered it lists defaults. */
extend<ConsentSources["onetrust"]>(({ options, report }) => {
  const page = self as unknown as OneTrustPage;
  const read = () => {
    const groups = page.OnetrustActiveGroups ?? page.OptanonActiveGroups;
    if (typeof groups !== "string" || typeof page.OneTrust?.IsAlertBoxClosed !== "function") return false;
    if (!options.trustDefaults && page.OneTrust.IsAlertBoxClosed() !== true) return false;
    const active = groups.split(",").filter(Boolean);
    report(
      readMapping(options.purposes ?? PURPOSES, (group) => active.includes(group)),
      { oneTrustGroups: groups },
    );
    return true;
  };
  const safely = () => {
    try {
      read();
    } catch {
      // Half-built: the next change tells.
    }
  };
  addEventListener("OneTrustGroupsUpdated", safely);
  waitFor(() => typeof page.OneTrust?.OnConsentChanged === "function" && page.OneTrust, (oneTrust) => oneTrust.OnConsentChanged?.(safely));
  waitFor(read, () => {});
});
