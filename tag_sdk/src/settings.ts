import type { Settings } from "../types/index";

/** The script element carries its site's settings, so two tags on one page never read each other's. */
export interface TagScript extends HTMLScriptElement {
  tagwaySettings?: Partial<Settings>;
  /** The name that the loader made. */
  name?: string;
}

/** The settings of a script, or undefined where it names no write key. */
export function readSettings(script: TagScript | null): Settings | undefined {
  const given = script?.tagwaySettings ?? {};
  const data = script?.dataset ?? {};
  const writeKey = given.writeKey || data.writeKey;
  if (!script || !writeKey) return undefined;
  return {
    consent: {},
    consentFrom: {},
    collectFor: ["analytics", "personalization", "advertising"],
    autoPage: data.autoPage !== "false",
    extras: {},
    files: {},
    storage: "localStorage",
    ...given,
    writeKey,
    host: (given.host || data.host || new URL(".", script.src).href).replace(/\/+$/, ""),
    name: data.name || script.name || given.name || "tagway",
  };
}
