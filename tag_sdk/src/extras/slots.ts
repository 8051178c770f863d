import type { Extras, SlotContent } from "../../types/index";
import { extend } from "../parts";
import { harmless, setHarmless } from "./harmless";
import { followSegments } from "./segments";
import { askToken } from "./token";

/**
 * Fills declared places (`data-tagway-slot="hero"`) by the visitor's own segments: text and harmless attributes only,
 * never HTML. The first content whose segment the visitor is in is shown; without one, or without consent for
 * personalisation, the page's own.
 */
extend<Extras["slots"]["options"]>(({ tagway, settings, options, emit }) => {
  const originals = new Map<HTMLElement, SlotContent>();
  let segments: string[] = [];

  const set = (element: HTMLElement, { text, attributes = {} }: SlotContent) => {
    if (text !== undefined && element.textContent !== text) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) setHarmless(element, name, value);
  };
  const render = () => {
    for (const element of document.querySelectorAll<HTMLElement>("[data-tagway-slot]")) {
      // Their text is no text.
      if (/^(script|style|iframe|object|embed|svg|math)$/i.test(element.localName)) continue;
      const contents = options.slots[element.dataset.tagwaySlot ?? ""] ?? [];
      const content = contents.find(({ segment }) => segments.includes(segment));
      const original = originals.get(element);
      // Elements inside would be lost with the text: such a place keeps its own.
      if (content?.text !== undefined && !original && element.childElementCount) continue;
      if (original) set(element, original);
      if (!content) originals.delete(element);
      else {
        const attributes = harmless.map((name) => [name, element.getAttribute(name)] as const);
        const text = content.text === undefined ? {} : { text: element.textContent ?? "" };
        if (!original) originals.set(element, { ...text, attributes: Object.fromEntries(attributes) });
        set(element, content);
      }
    }
  };
  const live = followSegments(settings.host, () => askToken(tagway, options.token), (change) => {
    segments = change.segments;
    try {
      render();
    } catch (error) {
      emit("error", error);
    }
  });
  const followConsent = () => {
    if (tagway.consent.get().personalization === "granted") return live.open();
    live.forget();
  };
  tagway.on("consent", followConsent);
  tagway.on("message", ({ type }) => type === "page" && render());
  addEventListener("pagehide", () => live.close());
  addEventListener("pageshow", (event) => event.persisted && followConsent());
  followConsent();
});
