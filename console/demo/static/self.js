// The visitor's own live segments, as the tag hears them.

import { make, timeOfDay } from "/console/static/dom.js";
import { fetchToken } from "./token.js";

const byId = (id) => document.getElementById(id);
const MOST_NEWS = 5;

export function openSelf(tagway) {
  let stop;
  const state = (text, tone) => {
    byId("self-state").textContent = text;
    byId("self-state").className = `badge dot ${tone}`;
  };
  const showSegments = (segments) => {
    byId("self-segments").replaceChildren(...segments.map((key) => make("li", { class: "badge accent" }, key.replaceAll("_", " "))));
    byId("self-none").hidden = segments.length > 0;
  };
  const tell = (...content) => {
    byId("self-news").prepend(make("li", { class: "fresh" }, content));
    while (byId("self-news").childElementCount > MOST_NEWS) byId("self-news").lastElementChild.remove();
  };
  const take = ({ kind, segments, segmentKey, at }) => {
    state("Live", "good");
    showSegments(segments);
    if (kind !== "SNAPSHOT") tell(kind === "ENTERED" ? "Entered " : "Left ", make("strong", {}, segmentKey.replaceAll("_", " ")), " at ", timeOfDay(at));
  };
  const follow = () => {
    const consent = tagway().consent.get();
    const { anonymousId } = tagway().user();
    byId("self-facts").replaceChildren(
      make("dt", {}, "Allowed"),
      make("dd", {}, Object.keys(consent).filter((purpose) => consent[purpose] === "granted").map((purpose) => purpose.replaceAll("_", " ")).join(", ") || "nothing"),
      make("dt", {}, "Your anonymous id"),
      make("dd", { class: "mono" }, anonymousId ?? "none is kept"),
    );
    const allowed = anonymousId && consent.personalization === "granted";
    if (allowed && !stop) {
      state("Connecting", "warn");
      stop = tagway().live(() => fetchToken(tagway().user().anonymousId), take);
    } else if (!allowed) {
      stop?.();
      stop = undefined;
      showSegments([]);
      byId("self-news").replaceChildren();
      state(Object.values(consent).includes("pending") ? "Waiting for consent" : "Off", "");
    }
  };
  tagway().on("consent", () => setTimeout(follow));
  follow();
}
