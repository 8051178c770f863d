import type { Choice, Consent, ConsentState, Purpose, Settings } from "../types/index";
import type { Storage } from "./storage";

const PURPOSES: Purpose[] = ["functional", "analytics", "personalization", "advertising", "sale_or_share"];
export const CHOICE = "consent";

/** The one thing stored without consent: the visitor's own choice, so as not to ask again. It holds no id. */
interface Choices {
  answers: Partial<Record<Purpose, ConsentState>>;
  out?: boolean;
  at?: string;
}

export interface ConsentKeeper {
  get(): Consent;
  set(choice: Choice): void;
  withdraw(purposes?: Purpose[]): void;
  optOut(out: boolean): void;
  /** May events be collected: granted, not yet (pending), or no (denied)? */
  gate(): ConsentState;
  /** The purposes as the gateway reads them: only a grant is true. */
  preferences(): Record<Purpose, boolean>;
}

/** Calls `changed` after each change of state; `local` tells whether it was made in this tab. */
export function openConsent(storage: Storage, settings: Settings, changed: (local: boolean) => void): ConsentKeeper {
  let choices = storage.read<Choices>(CHOICE) ?? { answers: {} };
  const gpc = !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

  const state = (purpose: Purpose): ConsentState =>
    choices.out || (gpc && (purpose === "advertising" || purpose === "sale_or_share"))
      ? "denied"
      : (choices.answers[purpose] ?? settings.consent[purpose] ?? "pending");
  const each = <T>(value: (purpose: Purpose) => T) =>
    Object.fromEntries(PURPOSES.map((purpose) => [purpose, value(purpose)])) as Record<Purpose, T>;
  const get = () => each(state);

  const apply = (next: Choices) => {
    const before = JSON.stringify(get());
    choices = { ...next, at: new Date().toISOString() };
    // Written last: another tab that learns of a grant must already find the id that came with it.
    if (JSON.stringify(get()) !== before) changed(true);
    storage.write(CHOICE, choices);
  };
  const set = (choice: Choice) => {
    const answers = { ...choices.answers };
    for (const purpose of PURPOSES) {
      const answer = choice[purpose];
      if (answer === undefined) continue;
      // Anything that is not a clear yes or "pending" is a no.
      answers[purpose] = answer === true || answer === "granted" ? "granted" : answer === "pending" ? answer : "denied";
    }
    apply({ ...choices, answers });
  };
  storage.watch(CHOICE, () => {
    const before = JSON.stringify(get());
    choices = storage.read<Choices>(CHOICE) ?? { answers: {} };
    if (JSON.stringify(get()) !== before) changed(false);
  });
  return {
    get,
    set,
    withdraw: (purposes = PURPOSES) => set(Object.fromEntries(purposes.map((purpose) => [purpose, false]))),
    optOut: (out) => apply({ ...choices, out }),
    gate() {
      const states = settings.collectFor.map(state);
      return states.includes("granted") ? "granted" : states.includes("pending") ? "pending" : "denied";
    },
    preferences: () => each((purpose) => state(purpose) === "granted"),
  };
}
