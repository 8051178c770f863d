import type { Settings } from "../types/index";

/** Kept without consent: the visitor's own choice, so as not to ask again … */
export const CHOICE = "consent";
/** … and, each by itself, the refusals that the gateway has yet to answer: unheard they could not be honoured. */
export const REFUSAL = "queue.refusal.";
// The longest that browsers keep a cookie.
const DAYS_400 = 34_560_000;

/** Named JSON values of one write key. Every failure (blocked, full, broken, not wanted) reads as "not there". */
export interface Storage {
  read<T>(name: string): T | undefined;
  write(name: string, value: unknown): boolean;
  remove(name: string): void;
  names(): string[];
  /** Calls back when another tab changes a value, or may have. */
  watch(name: string, changed: () => void): void;
}

/**
 * Keeps values in localStorage, or, in the mode "cookie", all but the queues in cookies, which other hosts of the site
 * can share. The modes "memory" and "none" keep nothing here.
 */
export function openStorage({ writeKey, storage: mode, cookieDomain }: Settings): Storage {
  const prefix = `tagway.${writeKey}.`;
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return mode === "memory" || mode === "none" ? undefined : action();
    } catch {}
    return undefined;
  };
  const baked = (name: string) => mode === "cookie" && !name.startsWith("queue.");
  const cookies = () => document.cookie.split("; ").map((pair) => pair.split("=") as [string, string?]);
  const bake = (name: string, text: string, age: number) =>
    (document.cookie =
      `${prefix + name}=${encodeURIComponent(text)}; path=/; max-age=${age}; samesite=lax` +
      (cookieDomain ? `; domain=${cookieDomain}` : "") +
      (location.protocol === "https:" ? "; secure" : ""));
  const text = (name: string) =>
    baked(name)
      ? decodeURIComponent(cookies().find(([key]) => key === prefix + name)?.[1] ?? "")
      : localStorage.getItem(prefix + name);
  return {
    read: <T>(name: string) => attempt(() => (JSON.parse(text(name) || "null") as T | null) ?? undefined),
    write: (name, value) =>
      !!attempt(() => {
        const json = JSON.stringify(value);
        if (baked(name)) bake(name, json, DAYS_400);
        // Beside its cookie, a choice in localStorage only tells the other tabs that there is a new one.
        if (!baked(name) || name === CHOICE) localStorage.setItem(prefix + name, json);
        return true;
      }),
    remove: (name) =>
      attempt(() => {
        if (baked(name)) bake(name, "", 0);
        localStorage.removeItem(prefix + name);
      }),
    names: () =>
      attempt(() =>
        [...Object.keys(localStorage), ...(mode === "cookie" ? cookies().map(([key]) => key) : [])]
          .flatMap((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : [])),
      ) ?? [],
    watch: (name, changed) =>
      attempt(() => {
        // A null key means that the whole storage was cleared.
        addEventListener("storage", ({ key }) => (key === null || key === prefix + name) && changed());
        // A page in the back/forward cache hears of nothing.
        addEventListener("pageshow", ({ persisted }) => persisted && changed());
      }),
  };
}
