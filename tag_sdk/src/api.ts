import type { ConsentSource, Extra, Notices, SegmentChange, Settings, Tagway, TokenSource } from "../types/index";
import { type Call, readArguments } from "./arguments";
import { openCollector } from "./collector";
import type { Ids } from "./identity";
import { openListeners } from "./listeners";
import { version } from "./message";
import { openParts, type Past, type Report, type Tools } from "./parts";
import type { TagScript } from "./settings";

/** True where the address asks for the preview, or an earlier page of this tab did. */
function isPreviewed(): boolean {
  try {
    return /[?&]tagway_debug\b/.test(location.search) || "tagway_debug" in sessionStorage;
  } catch {
    return false;
  }
}

/** The object that a site talks to. Nothing in it throws into the page: trouble goes to the `error` listeners. */
export function openTagway(settings: Settings, script: TagScript | null): Tagway {
  const { on, emit } = openListeners();
  const fetchPart = openParts(settings, script);
  const previewed = isPreviewed();
  const past: Past = [];
  if (previewed) {
    for (const name of ["message", "results", "drop", "consent"] as const)
      on(name, (notice: never) => past.push([name, notice] as Past[number]));
  }
  const collector = openCollector(settings, emit);
  const { consent } = collector;

  const safely = <Given extends unknown[]>(action: (...given: Given) => unknown) =>
    ((...given: Given) => {
      try {
        return action(...given) ?? api;
      } catch (error) {
        emit("error", error);
        return api;
      }
    }) as never;
  const call = (type: Call) =>
    safely((...given: unknown[]) => {
      const { fields, options } = readArguments(type, given);
      collector.collect({ ...fields, type }, options);
    });

  const part = (name: string, options: unknown, report: Report, ready?: (made: never) => void) =>
    fetchPart(name, { tagway: api, settings, options: options ?? {}, emit, report, past } as Tools)
      .then((made) => ready?.(made as never))
      .catch((error: unknown) => emit("error", error));

  const from = (source: ConsentSource | ((report: Report) => void), options?: unknown) => {
    if (typeof source === "function") return source(consent.source("callback"));
    void part(`consent/${source}`, options, consent.source(source));
  };

  // What nobody may use is not even fetched.
  let wanted: (() => unknown)[] = [];
  const fetchWanted = () => {
    if (collector.gate() !== "denied") wanted.splice(0).forEach((start) => start());
  };
  on("consent", fetchWanted);
  const use = (name: Extra, options?: unknown, ready?: (made: never) => void) => {
    wanted.push(() => part(`extras/${name}`, options, () => {}, ready && safely(ready)));
    fetchWanted();
  };

  const api: Tagway = {
    version,
    page: call("page"),
    track: call("track"),
    identify: call("identify"),
    group: call("group"),
    alias: call("alias"),
    reset: safely(collector.reset),
    // Later than now, so that a listener always finds the finished object.
    ready: safely((listener: () => void) => queueMicrotask(safely(listener))),
    on: safely((name: keyof Notices, listener: (notice: never) => void) => on(name, listener)),
    flush: safely(collector.flush),
    optOut: safely((out = true) => consent.optOut(out as boolean)),
    use: safely(use),
    live: safely((token: TokenSource, listener: (change: SegmentChange) => void) => {
      let stop: (() => void) | null | undefined;
      use("live", {}, (follow: (token: TokenSource, listener: (change: SegmentChange) => void) => () => void) => {
        if (stop !== null) stop = follow(token, safely(listener));
      });
      return () => {
        stop?.();
        stop = null;
      };
    }),
    user() {
      const { userId = null, anonymousId = null }: Partial<{ [Name in keyof Ids]: string | null }> = collector.ids() ?? {};
      return { id: userId, anonymousId };
    },
    consent: {
      set: safely(consent.set),
      get: consent.get,
      withdraw: safely(consent.withdraw),
      from: safely(from),
    },
  };
  for (const name in settings.consentFrom) from(name as ConsentSource, settings.consentFrom[name as ConsentSource]);
  for (const name in settings.extras) use(name as Extra, settings.extras[name as Extra]);
  if (previewed) void part("extras/preview", {}, () => {});
  return api;
}
