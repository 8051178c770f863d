import type { Notices, Purpose, Settings, Tagway } from "../types/index";
import type { TagScript } from "./settings";
import type { Emit } from "./transport";

/** What a part of the tag that comes in a file of its own is given to work with. */
export interface Tools<Options = unknown> {
  tagway: Tagway;
  settings: Settings;
  options: Options;
  emit: Emit;
  /** Says what a source of consent knows. Purposes that it does not name are none of its business. */
  report: Report;
  /** What happened before the part was there. */
  past: Past;
}
export type Past = { [Name in keyof Notices]: [Name, Notices[Name]] }[keyof Notices][];
export type Said = Partial<Record<Purpose, boolean | "granted" | "denied" | "pending">>;
/** `raw` goes with every event as it is, for the gateway to read by itself. */
export type Report = (said: Said, raw?: Record<string, unknown>) => void;

type Start = (tools: never) => unknown;
interface PartScript extends HTMLScriptElement {
  tagwayPart?: (start: Start) => void;
}

/** Called once by each part as it runs, with what begins it. What that returns is handed to whoever wanted the part. */
export function extend<Options>(start: (tools: Tools<Options>) => unknown): void {
  (document.currentScript as PartScript | null)?.tagwayPart?.(start);
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** Fetches parts of the tag, each once, from where the tag itself came. */
export function openParts(settings: Settings, script: TagScript | null) {
  const parts: Record<string, Promise<unknown>> = {};
  let policy: ReturnType<TrustedTypes["createPolicy"]> | undefined;

  const trusted = (url: string) => {
    const types = (self as { trustedTypes?: TrustedTypes }).trustedTypes;
    policy ??= types?.createPolicy("tagway", { createScriptURL: (given) => given });
    return policy ? policy.createScriptURL(url) : url;
  };

  return (name: string, tools: Tools): Promise<unknown> =>
    (parts[name] ??= new Promise((resolve, reject) => {
      const element: PartScript = document.createElement("script");
      const hash = settings.files[name];
      element.tagwayPart = (start) => {
        try {
          resolve(start(tools as never));
        } catch (error) {
          reject(error);
        }
      };
      element.onerror = () => reject(Error(`${name} could not be loaded`));
      element.nonce = script?.nonce ?? "";
      if (hash) {
        element.crossOrigin = "anonymous";
        element.integrity = hash;
      }
      element.src = trusted(`${settings.host}/tag/${name}.js${hash ? "?" + hash.slice(7, 15) : ""}`);
      document.head.append(element);
    }));
}
