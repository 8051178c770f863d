import type { ConsentSources } from "../../types/index";
import { extend } from "../parts";
import { type Mapping, readMapping } from "./mapping";

interface Didomi {
  getCurrentUserStatus?(): { purposes?: Record<string, { enabled?: boolean } | undefined>; regulation?: string };
  shouldUserStatusBeCollected?(): boolean;
}
interface Page {
  Didomi?: Didomi;
  didomiOnReady?: ((didomi: Didomi) => void)[];
  didomiEventListeners?: { event: string; listener(): void }[];
}

const PURPOSES: Mapping<string> = {
  analytics: ["cookies", "measure_content_performance", "market_research"],
  personalization: ["cookies", "create_content_profile", "select_personalized_content"],
  advertising: ["cookies", "select_basic_ads", "create_ads_profile", "select_personalized_ads", "measure_ad_performance"],
};

/** Reads Didomi, once nothing is left to ask its visitor. */
extend<ConsentSources["didomi"]>(({ options, report }) => {
  const page = self as unknown as Page;
  const read = (didomi = page.Didomi) => {
    if (!didomi?.getCurrentUserStatus || didomi.shouldUserStatusBeCollected?.() !== false) return;
    const { purposes } = didomi.getCurrentUserStatus();
    if (purposes) report(readMapping(options.purposes ?? PURPOSES, (id) => purposes[id]?.enabled));
  };
  // Both lists work before and after Didomi has loaded.
  (page.didomiOnReady ??= []).push(read);
  (page.didomiEventListeners ??= []).push({ event: "consent.changed", listener: () => read() });
});
