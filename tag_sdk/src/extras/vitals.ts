import { extend } from "../parts";

type Metric = "TTFB" | "FCP" | "LCP" | "CLS" | "INP";
/** Up to the first a value is good, above the second poor (web.dev/articles/vitals); milliseconds, CLS without unit. */
const RATINGS: Record<Metric, [good: number, poor: number]> = {
  TTFB: [800, 1800],
  FCP: [1800, 3000],
  LCP: [2500, 4000],
  CLS: [0.1, 0.25],
  INP: [200, 500],
};
const MOST_SLOW = 10;

interface Shift extends PerformanceEntry {
  value: number;
  hadRecentInput: boolean;
}
interface Interaction extends PerformanceEntry {
  interactionId?: number;
}

/** Reports the web vitals of each load, once each: `web_vital` with metric, value and rating, as the page is left. */
extend(({ tagway }) => {
  const values: Partial<Record<Metric, number>> = {};
  const [navigation] = performance.getEntriesByType("navigation") as (PerformanceNavigationTiming & {
    activationStart?: number;
  })[];
  // A page rendered in advance begins, for its visitor, when it is shown.
  const begin = navigation?.activationStart ?? 0;
  const since = (time: number) => Math.max(time - begin, 0);
  const observe = <Entry extends PerformanceEntry>(type: string, take: (entry: Entry) => void, more = {}) => {
    try {
      new PerformanceObserver((list) => (list.getEntries() as Entry[]).forEach(take)).observe({ type, buffered: true, ...more });
    } catch {
      // A browser that does not measure this.
    }
  };

  if (navigation) values.TTFB = since(navigation.responseStart);
  let hidden = document.visibilityState === "hidden" ? 0 : Infinity;
  observe("paint", ({ name, startTime }) => {
    if (name === "first-contentful-paint" && startTime < hidden) values.FCP = since(startTime);
  });
  observe("largest-contentful-paint", ({ startTime }) => {
    if (startTime < hidden) values.LCP = since(startTime);
  });

  // The worst window of shifts that follow one another within a second, of five seconds at most.
  let windowed = 0;
  let first = 0;
  let previous = -Infinity;
  if (PerformanceObserver.supportedEntryTypes?.includes("layout-shift")) values.CLS = 0;
  observe<Shift>("layout-shift", ({ value, hadRecentInput, startTime }) => {
    if (hadRecentInput) return;
    if (startTime - previous < 1000 && startTime - first < 5000) windowed += value;
    else [windowed, first] = [value, startTime];
    previous = startTime;
    values.CLS = Math.max(values.CLS ?? 0, windowed);
  });

  // The slowest interaction, but one in fifty may be slower.
  const slow = new Map<number, number>();
  const seen = new Set<number>();
  observe<Interaction>(
    "event",
    ({ interactionId, duration }) => {
      if (!interactionId) return;
      seen.add(interactionId);
      slow.set(interactionId, Math.max(slow.get(interactionId) ?? 0, duration));
      const durations = [...slow.values()].sort((one, other) => other - one);
      if (slow.size > MOST_SLOW) for (const [id, value] of slow) if (value < (durations[MOST_SLOW - 1] ?? 0)) slow.delete(id);
      const place = Math.min(Math.floor(seen.size / 50), durations.length - 1);
      values.INP = durations[place] ?? duration;
    },
    { durationThreshold: 16 },
  );

  tagway.on("leave", () => {
    hidden = Math.min(hidden, performance.now());
    for (const [name, value] of Object.entries(values) as [Metric, number][]) {
      const [good, poor] = RATINGS[name];
      const rating = value <= good ? "good" : value <= poor ? "needs-improvement" : "poor";
      tagway.track("web_vital", { metric: name, value: Math.round(value * 1000) / 1000, rating });
      delete values[name];
    }
  });
});
