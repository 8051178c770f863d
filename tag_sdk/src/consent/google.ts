import type { ConsentSources } from "../../types/index";
import { extend } from "../parts";
import { type Mapping, readMapping } from "./mapping";

type State = Record<string, unknown>;

const KEYS = [
  "ad_storage",
  "ad_user_data",
  "ad_personalization",
  "analytics_storage",
  "functionality_storage",
  "personalization_storage",
  "security_storage",
];
const PURPOSES: Mapping<string> = {
  functional: ["functionality_storage"],
  analytics: ["analytics_storage"],
  personalization: ["personalization_storage"],
  advertising: ["ad_storage", "ad_user_data", "ad_personalization"],
};

/**
 * Reads Google Consent Mode v2 off the data layer: what is there already, and what comes. An `update` is a decision; a
 * `default` of "denied" only means that nobody was asked yet, and a default for some regions never grants, as nobody
 * here knows the region. A key that nobody has named is not granted.
 */
extend<ConsentSources["google"]>(({ options, report }) => {
  const page = self as unknown as Record<string, unknown[] | undefined>;
  const layer = (page[options.dataLayer ?? "dataLayer"] ??= []);
  const defaults: State = {};
  const updates: State = {};
  const states = () => ({ ...defaults, ...updates });
  let heard = 0;

  const say = () => {
    const now = states();
    const said = readMapping(options.purposes ?? PURPOSES, (key) => now[key] === "granted");
    for (const [purpose, keys] of Object.entries(options.purposes ?? PURPOSES) as [keyof typeof said, string[]][])
      if (!said[purpose] && !keys.some((key) => updates[key] === "denied")) said[purpose] = "pending";
    report(said, { googleConsentMode: now });
  };
  const take = (target: State, given: State, accept: (value: unknown) => unknown) => {
    for (const key of KEYS) if (accept(given[key])) target[key] = given[key] === "granted" ? "granted" : "denied";
  };
  const hear = (entry: unknown) => {
    // `gtag` pushes its Arguments object, which is like an array but is none.
    const [command, kind, given] = Array.from((entry ?? []) as ArrayLike<unknown>) as [unknown, unknown, State?];
    if (command !== "consent" || !given || typeof given !== "object") return;
    if (kind === "update") take(updates, given, (value) => value !== undefined);
    else if (kind === "default") take(defaults, given, (value) => (given.region ? value === "denied" : value !== undefined));
    else return;
    const mine = ++heard;
    const wait = kind === "default" ? Number(given.wait_for_update) || 0 : 0;
    // A default that asks to be waited for holds once nothing has come in its time.
    if (wait) setTimeout(() => mine === heard && say(), wait);
    else say();
  };
  const push = layer.push;
  layer.push = function (...entries: unknown[]) {
    const length = push.apply(layer, entries);
    for (const entry of entries) {
      try {
        hear(entry);
      } catch {
        // Whoever pushes must not suffer from an entry that cannot be read.
      }
    }
    return length;
  };
  for (const entry of [...layer]) hear(entry);
});
