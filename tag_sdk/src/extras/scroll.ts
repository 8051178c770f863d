import type { Extras } from "../../types/index";
import { extend } from "../parts";

/** Reports how far each page was scrolled: `scroll_depth` once for each step of percent, and the depth in pixels. */
extend<Extras["scroll"]["options"]>(({ tagway, options }) => {
  const steps = [...(options.steps ?? [25, 50, 75, 100])].sort((one, other) => one - other);
  let reached = 0;
  let waiting = false;
  const look = () => {
    waiting = false;
    const { scrollHeight } = document.documentElement;
    const depth = Math.min(scrollY + innerHeight, scrollHeight);
    const percent = (depth / scrollHeight) * 100;
    for (const step of steps) {
      // Screens round: the end of a page may be a pixel away.
      if (step <= reached || percent + 0.5 < step) continue;
      reached = step;
      tagway.track("scroll_depth", { percent: step, depth: Math.round(depth) });
    }
  };
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(look);
  };
  addEventListener("scroll", soon, { passive: true });
  tagway.on("message", ({ type }) => {
    if (type === "page") reached = 0;
  });
});
