// The list of segments. A card stays the same element while its numbers move: who stands on a button of it stays there.

import { inWords, isSpoken, leavesOf } from "./definition.js";
import { byId, make, place } from "./dom.js";

const TONES = { LIVE: "good", BUILDING: "warn", FAILED: "bad", DELETING: "warn" };

/** `count` writes a size. Returns a way to show the segments there are now. */
export function openCards(count, { edit, remove }) {
  const cards = new Map();
  const none = make("li", { class: "empty panel" }, "No segments yet. Describe the first one in the form.");

  function card(segment) {
    const leaves = leavesOf(segment.definition);
    const people = make("p", { class: "size" });
    const state = make("span", { class: "row" });
    const element = make(
      "li",
      { class: "panel" },
      make("div", {}, make("h2", {}, segment.name), make("p", { class: "quiet" }, wordsOf(segment))),
      people,
      make(
        "div",
        { class: "row" },
        make("code", { class: "badge" }, segment.key),
        state,
        make(
          "span",
          { class: "deeds" },
          leaves && make("button", { class: "button plain tight", type: "button", onclick: () => edit(segment, leaves) }, "Edit"),
          removal(segment, remove),
        ),
      ),
    );
    return { element, people, state };
  }

  function shown(segment) {
    const { size, status, error, updatedAt, ...described } = segment;
    const description = JSON.stringify(described);
    if (cards.get(segment.key)?.description !== description) cards.set(segment.key, { description, ...card(segment) });
    const { element, people, state } = cards.get(segment.key);
    people.replaceChildren(count(size), make("small", {}, size === 1 ? "person" : "people"));
    state.replaceChildren(
      make("span", { class: `badge dot ${TONES[status] ?? ""}` }, status.toLowerCase()),
      error ? make("span", { class: "small" }, error) : "",
    );
    return element;
  }

  return (segments) => {
    const keys = new Set(segments.map(({ key }) => key));
    for (const key of cards.keys()) if (!keys.has(key)) cards.delete(key);
    place(byId("segment-list"), segments.length ? segments.map(shown) : [none]);
  };
}

/** Asked twice in place: a dialog would take the reader away from what is to be deleted. */
function removal(segment, remove) {
  const button = make("button", { class: "button plain tight", type: "button" }, "Delete");
  let asked = false;
  button.onclick = () => {
    if (asked) return remove(segment);
    asked = true;
    button.textContent = `Delete “${segment.name}” for good?`;
  };
  button.onblur = () => {
    asked = false;
    button.textContent = "Delete";
  };
  return button;
}

/** In words, or in the language of definitions what has no words here. */
const wordsOf = ({ definition, text }) => (isSpoken(definition) || !text ? inWords(definition) : make("code", {}, text));
