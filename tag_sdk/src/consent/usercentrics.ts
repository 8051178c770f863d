import type { ConsentSources } from "../../types/index";
import { extend } from "../parts";
import { type Mapping, readMapping } from "./mapping";
import { waitFor } from "./wait";

type Categories = Record<string, boolean | null | undefined>;

/** Version 2. A category is granted when every service of it is. */
interface Second {
  isInitialized?(): boolean;
  isConsentRequired?(): boolean;
  getServicesBaseInfo?(): { categorySlug: string; consent: { status: boolean } }[];
}
/** Version 3. */
interface Third {
  isInitialized?(): Promise<boolean>;
  getConsentDetails?(): Promise<{
    consent?: { required?: boolean; type?: string };
    categories?: Record<string, { state?: string } | undefined>;
  }>;
}
interface Page {
  UC_UI?: Second;
  __ucCmp?: Third;
}

// Which category holds a site's analytics is its own decision, so there is no default for them.
const PURPOSES: Mapping<string> = { functional: ["functional"], advertising: ["marketing"] };
const EXPLICIT = /^explicit$/i;

/** Reads Usercentrics, version 3 or 2, once its visitor has answered. */
extend<ConsentSources["usercentrics"]>(({ options, report }) => {
  const page = self as unknown as Page;
  const say = (categories: Categories) => report(readMapping(options.purposes ?? PURPOSES, (slug) => categories[slug]));

  const readSecond = () => {
    const api = page.UC_UI;
    if (!api?.getServicesBaseInfo || !api.isInitialized?.() || api.isConsentRequired?.() !== false) return false;
    const categories: Categories = {};
    for (const { categorySlug, consent } of api.getServicesBaseInfo())
      categories[categorySlug] = (categories[categorySlug] ?? true) && consent.status === true;
    say(categories);
    return true;
  };
  const readThird = async () => {
    const api = page.__ucCmp;
    if (!api?.getConsentDetails || !(await api.isInitialized?.())) return;
    const { consent, categories } = await api.getConsentDetails();
    if (!categories || (consent?.required !== false && !EXPLICIT.test(consent?.type ?? ""))) return;
    say(Object.fromEntries(Object.entries(categories).map(([slug, value]) => [slug, value?.state === "ALL_ACCEPTED"])));
  };
  const read = () => {
    try {
      if (page.__ucCmp) readThird().catch(() => {});
      else readSecond();
    } catch {
      // Half-built: the next event tells.
    }
  };
  for (const name of ["UC_UI_INITIALIZED", "UC_UI_CMP_EVENT", "UC_CONSENT"]) addEventListener(name, read);
  if (options.event) {
    // The event that the site has named at Usercentrics carries the whole state.
    addEventListener(options.event, (event) => {
      const { detail } = event as CustomEvent<{ event?: string; type?: string; ucCategory?: Categories } | null>;
      if (detail?.event === "consent_status" && EXPLICIT.test(detail.type ?? "") && detail.ucCategory) say(detail.ucCategory);
    });
  }
  waitFor(() => page.__ucCmp ?? page.UC_UI, read);
});
