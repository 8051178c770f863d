// Segments: their sizes beside the feed, their list, and the form that makes them.

import { openCards } from "./cards.js";
import { conditionRow, inWords, readDefinition } from "./definition.js";
import { byId, make, number, say } from "./dom.js";
import { openReady } from "./ready.js";

const LIST = `query Segments($after: String) {
  segments(first: 50, after: $after) {
    edges { node { id key name size status error definition text updatedAt } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const SAVE = `mutation Save($key: String!, $name: String!, $definition: JSON!) {
  saveSegment(input: { key: $key, name: $name, definition: $definition }) {
    __typename
    ... on SegmentPayload { segment { id key version } }
    ... on Problem { message path }
  }
}`;
const DELETE = `mutation Delete($key: String!) {
  deleteSegment(input: { key: $key }) {
    __typename
    ... on Problem { message path }
  }
}`;
const REFRESH = 5000;

/** `threshold`: the smallest count of people that the key is told; null when it is told all. */
export function openSegments(ask, threshold) {
  const count = (size) => (size === null ? `< ${threshold}` : number.format(size));
  const drawCards = openCards(count, { edit: fill, remove: drop });
  let listed = [];
  let soon;

  async function list() {
    const found = [];
    let after = null;
    do {
      const { segments } = await ask(LIST, { after });
      found.push(...segments.edges.map((edge) => edge.node));
      after = segments.pageInfo.hasNextPage ? segments.pageInfo.endCursor : null;
    } while (after);
    listed = found;
    draw();
    ready(listed.map(({ key }) => key));
  }
  const refresh = () => list().catch((error) => console.warn(error.message));

  function draw() {
    const largest = Math.max(1, ...listed.map((segment) => segment.size ?? 0));
    byId("sizes").replaceChildren(
      ...listed.map((segment) =>
        make(
          "li",
          {},
          make("span", {}, segment.name),
          make("span", { class: "count" }, count(segment.size)),
          segment.size !== null && make("meter", { min: 0, max: largest, value: segment.size, "aria-label": `People in ${segment.name}` }),
        ),
      ),
      ...(listed.length ? [] : [make("li", { class: "empty small" }, "No segments yet.")]),
    );
    drawCards(listed);
  }

  const form = byId("builder");
  const rows = byId("conditions");
  const words = () => {
    const definition = readDefinition(form.elements.match.value, rows.children);
    byId("words").textContent = definition ? `In words: ${inWords(definition)}.` : "";
  };
  const add = (leaf) => {
    const row = conditionRow(leaf, () => {
      row.remove();
      words();
    });
    rows.append(row);
    words();
    return row;
  };
  const clear = () => {
    byId("builder-title").textContent = "New segment";
    delete form.elements.key.dataset.typed;
    rows.replaceChildren();
    add({ type: "count" });
    say(form, "");
  };
  function fill(segment, { match, leaves }) {
    clear();
    byId("builder-title").textContent = `Edit ${segment.name}`;
    form.elements.name.value = segment.name;
    form.elements.key.value = segment.key;
    form.elements.key.dataset.typed = "1";
    form.elements.match.value = match;
    rows.replaceChildren();
    leaves.forEach(add);
    form.elements.name.focus();
  }
  const adapt = (template, leaves) => {
    fill(template, leaves);
    byId("builder-title").textContent = `New segment: ${template.name}`;
  };
  async function take({ key, name, definition }) {
    try {
      const { saveSegment } = await ask(SAVE, { key, name, definition });
      if (saveSegment.segment) await refresh();
      const added = `Added “${name}”. People move in as it is built.`;
      say(form, saveSegment.segment ? added : (saveSegment.message ?? "The gateway did not take it."), Boolean(saveSegment.segment));
    } catch (error) {
      say(form, error.message);
    }
    // On a phone the form stands far below.
    form.querySelector(".message").scrollIntoView({ block: "nearest" });
  }
  async function drop(segment) {
    const { deleteSegment } = await ask(DELETE, { key: segment.key });
    if (deleteSegment.message) say(form, deleteSegment.message);
    await refresh();
    byId("segments-title").focus?.();
  }

  form.oninput = ({ target }) => {
    const { name, key } = form.elements;
    if (target === key) key.dataset.typed = "1";
    if (target === name && !key.dataset.typed) key.value = keyOf(name.value);
    words();
  };
  form.onreset = () => setTimeout(clear);
  for (const button of form.querySelectorAll("[data-add]")) {
    button.onclick = () => add({ type: button.dataset.add }).querySelector("input:not([type=number])").focus();
  }
  form.onsubmit = async (event) => {
    event.preventDefault();
    const { name, key, match } = form.elements;
    const definition = readDefinition(match.value, rows.children);
    if (!definition) return say(form, "Add at least one condition.");
    try {
      const { saveSegment } = await ask(SAVE, { key: key.value, name: name.value.trim(), definition });
      if (!saveSegment.segment) return say(form, saveSegment.message ?? "The gateway did not take it.");
      const saved = name.value;
      form.reset();
      await refresh();
      say(form, `Saved “${saved}”. People move in as it is built.`, true);
    } catch (error) {
      say(form, error.message);
    }
  };

  clear();
  const ready = openReady(ask, { save: take, adapt });
  refresh();
  setInterval(() => document.visibilityState === "visible" && refresh(), REFRESH);
  return {
    nameOf: (key) => listed.find((segment) => segment.key === key)?.name ?? key,
    /** Somebody moved: the sizes are asked for again, at most twice a second. */
    moved() {
      soon ??= setTimeout(() => {
        soon = undefined;
        refresh();
      }, 500);
    },
  };
}

const keyOf = (name) =>
  name
    .toLowerCase()
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "")
    .slice(0, 64);
