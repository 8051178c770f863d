import type { Notices, SegmentChange, Settings, Tagway, TokenSource } from "../types/index";
import { type Call, readArguments } from "./arguments";
import { openCollector } from "./collector";
import { openListeners } from "./listeners";
import { followSegments, type Live } from "./live";
import { version } from "./message";

/** The object that a site talks to. Nothing in it throws into the page: trouble goes to the `error` listeners. */
export function openTagway(settings: Settings): Tagway {
  const { on, emit } = openListeners();
  const collector = openCollector(settings, emit);
  const { consent } = collector;
  const lives = new Set<Live>();

  const followConsent = () => {
    const allowed = consent.get().personalization === "granted";
    for (const live of lives) live[allowed ? "open" : "close"]();
  };
  on("consent", followConsent);
  // An open line would keep the page out of the back/forward cache.
  addEventListener("pagehide", () => lives.forEach((live) => live.close()));
  addEventListener("pageshow", (event) => event.persisted && followConsent());

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

  const api: Tagway = {
    version,
    page: call("page"),
    track: call("track"),
    identify: call("identify"),
    group: call("group"),
    alias: call("alias"),
    reset: safely(collector.reset),
    // Later than now, so that a listener always finds the finished object.
    ready: safely((listener: () => void) => void Promise.resolve().then(safely(listener))),
    on: safely((name: keyof Notices, listener: (notice: never) => void) => on(name, listener)),
    flush: safely(collector.flush),
    optOut: safely((out = true) => consent.optOut(out as boolean)),
    live: safely((token: TokenSource, listener: (change: SegmentChange) => void) => {
      const live = followSegments(settings.host, token, safely(listener));
      lives.add(live);
      followConsent();
      return () => {
        live.close();
        lives.delete(live);
      };
    }),
    user() {
      const ids = collector.ids();
      return { id: ids?.userId ?? null, anonymousId: ids?.anonymousId ?? null };
    },
    consent: {
      set: safely(consent.set),
      get: consent.get,
      withdraw: safely(consent.withdraw),
    },
  };
  return api;
}
