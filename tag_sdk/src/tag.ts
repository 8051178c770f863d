import type { Tagway } from "../types/index";
import { openTagway } from "./api";
import { readSettings, type TagScript } from "./settings";

type Command = [name: string, ...given: unknown[]];
type Action = (...given: unknown[]) => void;

/** Puts the tag in the place of the array that took the calls so far, and carries them out in their order. */
function start(script: TagScript | null): void {
  const settings = readSettings(script);
  const page = window as unknown as Record<string, Partial<Tagway> & Iterable<Command>>;
  if (!settings || page[settings.name]?.version) return;
  const calls = page[settings.name];
  const tagway = openTagway(settings, script);
  page[settings.name] = tagway as never;
  const actions = { ...tagway, ...tagway.consent } as unknown as Record<string, Action | undefined>;
  for (const [name, ...given] of Array.isArray(calls) ? (calls as Command[]) : []) actions[name]?.(...given);
}

try {
  const script = document.currentScript as TagScript | null;
  // A page that is rendered in advance has no visitor yet.
  if ((document as { prerendering?: boolean }).prerendering) {
    document.addEventListener("prerenderingchange", () => start(script), { once: true });
  } else start(script);
} catch {
  // A tag that cannot start must not take the page down with it; the calls stay in their array.
}
