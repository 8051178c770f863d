import type { Extras } from "../../types/index";
import { extend } from "../parts";

/** Reports how far videos and audio were played: `video_progress` and `audio_progress` at each step of percent. */
extend<Extras["media"]["options"]>(({ tagway, options }) => {
  const steps = options.steps ?? [0, 25, 50, 75, 100];
  const reached = new WeakMap<HTMLMediaElement, Set<number>>();
  const nameOf = (media: HTMLMediaElement) =>
    media.dataset.tagwayId || media.id || media.currentSrc.split(/[?#]/)[0]?.split("/").pop() || "";
  const look = ({ target, type }: Event) => {
    if (!(target instanceof HTMLMediaElement) || !isFinite(target.duration) || !target.duration) return;
    const percent = type === "ended" ? 100 : (target.currentTime / target.duration) * 100;
    const done = reached.get(target) ?? new Set();
    reached.set(target, done);
    for (const step of steps) {
      // The end is told by its own event: a seek to it is no playing.
      if (done.has(step) || percent < step || (step === 100 && type !== "ended")) continue;
      done.add(step);
      const kind = target instanceof HTMLVideoElement ? "video" : "audio";
      tagway.track(`${kind}_progress`, {
        [`${kind}_id`]: nameOf(target),
        percent: step,
        seconds: Math.round(target.currentTime),
        duration: Math.round(target.duration),
      });
    }
  };
  // Media events do not bubble, but they can be captured.
  for (const name of ["play", "timeupdate", "ended"]) document.addEventListener(name, look, true);
  document.addEventListener("emptied", ({ target }) => target instanceof HTMLMediaElement && reached.delete(target), true);
});
