// The live feed: what came in, and what became of it.

import { byId, make, number, timeOfDay, whoLink } from "./dom.js";

const QUERY = "subscription Feed { eventFeed { at messageId type name outcome reason profileId } }";
const MOST_KEPT = 1000;
const MOST_SHOWN = 200;
const NEWS_EVERY = 5000;

// GraphQL shouts its enums; people read words. What could not be read has neither type nor name.
const inWords = ({ type, outcome, ...event }) => ({ ...event, type: type?.toLowerCase() ?? "", outcome: outcome.toLowerCase() });

const tone = (outcome) =>
  outcome === "accepted" ? "good" : outcome.startsWith("dropped") ? "warn" : outcome === "duplicate" ? "" : "bad";

function entry(event, fresh) {
  return make(
    "li",
    { class: fresh && "fresh" },
    timeOfDay(event.at),
    make("span", { class: "type" }, event.type),
    make("span", { class: "name" }, event.name || event.type || "unreadable"),
    make(
      "span",
      { class: "verdict" },
      make("span", { class: `badge dot ${tone(event.outcome)}` }, event.outcome.replaceAll("_", " ")),
      event.reason && make("span", { class: "reason" }, event.reason),
    ),
    whoLink(event.profileId),
  );
}

export function openFeed(line) {
  const list = byId("feed");
  const filter = byId("filter");
  const outcome = byId("outcome");
  const pause = byId("pause");
  let kept = [];
  let arrived = [];
  let unheard = 0;
  let paused = false;
  let drawn = false;

  const fits = (event) => {
    const text = `${event.name ?? ""} ${event.type} ${event.reason ?? ""} ${event.profileId ?? ""}`.toLowerCase();
    return (!outcome.value || event.outcome === outcome.value) && text.includes(filter.value.trim().toLowerCase());
  };
  const tell = () => {
    const empty = byId("feed-empty");
    if (kept.length) empty.textContent = "Nothing here fits the filter.";
    empty.hidden = list.childElementCount > 0;
    list.hidden = !empty.hidden;
    pause.textContent = paused ? `Resume${arrived.length ? ` (${number.format(arrived.length)} new)` : ""}` : "Pause";
  };
  const redraw = () => {
    list.replaceChildren(...kept.filter(fits).slice(0, MOST_SHOWN).map((event) => entry(event, false)));
    tell();
  };
  // Events may come faster than a screen is drawn: whatever came in between is put in at once.
  const draw = () => {
    drawn = false;
    if (paused) return tell();
    const fresh = arrived.reverse();
    arrived = [];
    kept = fresh.concat(kept).slice(0, MOST_KEPT);
    list.prepend(...fresh.filter(fits).slice(0, MOST_SHOWN).map((event) => entry(event, true)));
    while (list.childElementCount > MOST_SHOWN) list.lastElementChild.remove();
    tell();
  };
  const take = (event) => {
    unheard++;
    arrived.push(event);
    if (arrived.length > MOST_KEPT) arrived.shift();
    if (![...outcome.options].some((option) => option.value === event.outcome)) {
      outcome.append(make("option", { value: event.outcome }, event.outcome.replaceAll("_", " ")));
    }
    if (!drawn) requestAnimationFrame(draw);
    drawn = true;
  };

  const times = [];
  setInterval(() => {
    const now = Date.now();
    while (times.length && times[0] < now - 60_000) times.shift();
    byId("rate").textContent = `${number.format(times.length)} a minute`;
  }, 1000);
  // Read aloud as a sum, not event by event.
  setInterval(() => {
    if (unheard) byId("feed-news").textContent = `${unheard} new ${unheard === 1 ? "event" : "events"}`;
    unheard = 0;
  }, NEWS_EVERY);

  filter.oninput = outcome.onchange = redraw;
  pause.onclick = () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    draw();
  };
  tell();
  line.subscribe(QUERY, ({ eventFeed }) => {
    times.push(Date.now());
    take(inWords(eventFeed));
  });
}
