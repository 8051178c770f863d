import type { SegmentChange, TokenSource } from "../../types/index";
import { extend } from "../parts";
import { followSegments, type Live } from "./segments";

/** Follows the visitor's segments while the purpose "personalization" is granted, and the page is shown. */
extend(({ tagway, settings }) => {
  const lives = new Set<Live>();
  const followConsent = () => {
    const allowed = tagway.consent.get().personalization === "granted";
    for (const live of lives) live[allowed ? "open" : "close"]();
  };
  tagway.on("consent", followConsent);
  // An open line would keep the page out of the back/forward cache.
  addEventListener("pagehide", () => lives.forEach((live) => live.close()));
  addEventListener("pageshow", (event) => event.persisted && followConsent());
  return (token: TokenSource, listener: (change: SegmentChange) => void) => {
    const live = followSegments(settings.host, token, listener);
    lives.add(live);
    followConsent();
    return () => {
      live.close();
      lives.delete(live);
    };
  };
});
