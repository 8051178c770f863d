import type { Choice, Consent, ConsentState, Purpose, Settings } from "../types/index";
import type { Report, Said } from "./parts";
import { CHOICE, type Storage } from "./storage";

const PURPOSES: Purpose[] = ["functional", "analytics", "personalization", "advertising", "sale_or_share"];
const STRICTEST_FIRST: ConsentState[] = ["denied", "pending", "granted"];

/** What is stored holds no id. `told` are the preferences that the gateway last heard of. */
interface Choices {
  answers: Partial<Consent>;
  out?: boolean;
  at?: string;
  told?: string;
  sources?: Record<string, Word>;
}

/** The last word of a source of consent. */
interface Word {
  said: Partial<Consent>;
  raw?: Record<string, unknown>;
}

export interface ConsentKeeper {
  get(): Consent;
  set(choice: Choice): void;
  withdraw(purposes?: Purpose[]): void;
  optOut(out: boolean): void;
  /** Adds a source: until it has spoken, and where it stays silent for ever, nothing is granted. */
  source(name: string): Report;
  /** May events be collected: granted, not yet (pending), or no (denied)? */
  gate(): ConsentState;
  /** The purposes as the gateway reads them: only a grant is true. */
  preferences(): Record<Purpose, boolean>;
  /** What each event carries: the preferences, and the signals behind them. */
  carried(): { categoryPreferences: Record<Purpose, boolean> } & Record<string, unknown>;
  /** Did the gateway last hear of a grant? */
  toldGrant(): boolean;
  /** True when the gateway has not heard of these preferences; it is taken to hear of them now. */
  tell(): boolean;
}

/** Anything that is not a clear yes or "pending" is a no. */
function readStates(given: Said): Partial<Consent> {
  const states: Partial<Consent> = {};
  for (const purpose of PURPOSES) {
    const state = given[purpose];
    if (state === undefined) continue;
    states[purpose] = state === true || state === "granted" ? "granted" : state === "pending" ? state : "denied";
  }
  return states;
}

/** Calls `changed` after each change of state; `local` tells whether it was made in this tab. */
export function openConsent(storage: Storage, settings: Settings, changed: (local: boolean) => void): ConsentKeeper {
  let choices = storage.read<Choices>(CHOICE) ?? { answers: {} };
  const sources: Record<string, Word | undefined> = {};
  const gpc = !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

  // The strictest of all who have a say: the visitor's answer to the site, and each source.
  const state = (purpose: Purpose): ConsentState => {
    if (choices.out || (gpc && (purpose === "advertising" || purpose === "sale_or_share"))) return "denied";
    const words = [choices.answers[purpose], ...Object.values(sources).map((word) => (word ? word.said[purpose] : "pending"))];
    return STRICTEST_FIRST.find((each) => words.includes(each)) ?? settings.consent[purpose] ?? "pending";
  };
  const each = <T>(value: (purpose: Purpose) => T) =>
    Object.fromEntries(PURPOSES.map((purpose) => [purpose, value(purpose)])) as Record<Purpose, T>;
  const get = () => each(state);
  const preferences = () => each((purpose) => state(purpose) === "granted");

  for (const name in settings.consentFrom) sources[name] = undefined;

  const apply = (change: () => void, local = true, keep = false) => {
    const before = JSON.stringify(get());
    change();
    const differs = JSON.stringify(get()) !== before;
    if (differs) changed(local);
    // Written last: another tab that learns of a grant must already find the id that came with it.
    if (keep || (local && differs)) storage.write(CHOICE, choices);
  };
  const choose = (next: Partial<Choices>) =>
    apply(() => (choices = { ...choices, ...next, at: new Date().toISOString() }), true, true);
  const set = (choice: Choice) => choose({ answers: { ...choices.answers, ...readStates(choice) } });

  storage.watch(CHOICE, () =>
    apply(() => {
      choices = storage.read<Choices>(CHOICE) ?? { answers: {} };
      // Another tab may know better by now, but it never speaks for a source that is still silent here.
      for (const name in sources) sources[name] &&= choices.sources?.[name] ?? sources[name];
    }, false),
  );
  return {
    get,
    set,
    preferences,
    withdraw: (purposes = PURPOSES) => set(Object.fromEntries(purposes.map((purpose) => [purpose, false]))),
    optOut: (out) => choose({ out }),
    source(name) {
      if (!(name in sources)) apply(() => (sources[name] = undefined));
      return (said, raw) =>
        apply(() => {
          sources[name] = { said: readStates(said), ...(raw && { raw }) };
          // A cookie ends at 4 KB: long signals stay in this page.
          const kept = JSON.stringify(raw ?? 0).length < 1000 ? sources[name] : { said: readStates(said) };
          choices = { ...choices, sources: { ...choices.sources, [name]: kept } };
        });
    },
    gate() {
      const states = settings.collectFor.map(state);
      return STRICTEST_FIRST.filter((each) => states.includes(each)).pop() ?? "denied";
    },
    carried: () =>
      Object.assign({}, ...Object.values(sources).map((word) => word?.raw), { categoryPreferences: preferences() }),
    toldGrant: () => !!choices.told?.includes("true"),
    tell() {
      const told = JSON.stringify(preferences());
      if (told === choices.told) return false;
      choices = { ...choices, told };
      return true;
    },
  };
}
