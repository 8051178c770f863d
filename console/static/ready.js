// Ready-made segments: those that are not in use yet, to be taken as they are or put into the form first.

import { inWords, isSpoken, leavesOf } from "./definition.js";
import { byId, make } from "./dom.js";

const LIST = "query Ready { segmentTemplates { key name description definition text } }";

/** `save(template)` makes it a segment, `adapt(template, leaves)` puts it into the form. */
export function openReady(ask, { save, adapt }) {
  const place = byId("ready");
  let templates = [];
  let taken = new Set();
  let shown;

  function card(template) {
    const leaves = leavesOf(template.definition);
    return make(
      "li",
      { class: "panel" },
      make("div", {}, make("h3", {}, template.name), make("p", {}, template.description)),
      make("p", { class: "wide quiet small" }, isSpoken(template.definition) ? inWords(template.definition) : make("code", {}, template.text)),
      make(
        "div",
        { class: "row" },
        make("code", { class: "badge" }, template.key),
        make(
          "span",
          { class: "deeds" },
          leaves && make("button", { class: "button plain tight", type: "button", onclick: () => adapt(template, leaves) }, "Adapt"),
          make("button", { class: "button tight", type: "button", "aria-label": `Add ${template.name}`, onclick: () => save(template) }, "Add"),
        ),
      ),
    );
  }

  function draw() {
    const left = templates.filter(({ key }) => !taken.has(key));
    const keys = left.map(({ key }) => key).join();
    // Drawn anew only when another one is left: the list of segments comes every few seconds.
    if (keys === shown) return;
    shown = keys;
    place.hidden = !left.length;
    byId("ready-list").replaceChildren(...left.map(card));
  }

  ask(LIST)
    .then(({ segmentTemplates }) => {
      templates = segmentTemplates;
      draw();
    })
    .catch((error) => console.warn(error.message));
  return (keys) => {
    taken = new Set(keys);
    draw();
  };
}
