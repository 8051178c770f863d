import type { Extras } from "../../types/index";
import { extend } from "../parts";

const TICK = 1000;

/**
 * Reports how long each page was really looked at: shown, in focus, and touched within `idle` seconds. An `engagement`
 * is sent as the page is left, if it has at least `least` new seconds.
 */
extend<Extras["engagement"]["options"]>(({ tagway, options }) => {
  const idle = (options.idle ?? 30) * 1000;
  const least = (options.least ?? 3) * 1000;
  let engaged = 0;
  let touched = Date.now();
  let last = Date.now();
  const count = () => {
    const now = Date.now();
    // A page that slept counts for one tick only.
    if (document.visibilityState === "visible" && document.hasFocus() && now - touched < idle)
      engaged += Math.min(now - last, 2 * TICK);
    last = now;
  };
  const report = () => {
    count();
    if (engaged < least) return;
    const seconds = Math.round(engaged / 1000);
    engaged = 0;
    tagway.track("engagement", { seconds, path: viewed });
  };
  let viewed = location.pathname;
  for (const name of ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"])
    addEventListener(name, () => (touched = Date.now()), { passive: true, capture: true });
  setInterval(count, TICK);
  tagway.on("leave", report);
  tagway.on("message", ({ type }) => {
    if (type !== "page" || viewed === location.pathname) return;
    report();
    viewed = location.pathname;
  });
});
