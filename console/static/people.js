// One person: traits, segments, consent, and what they did.

import { byId, dateTime, make, number } from "./dom.js";
import { openMatches } from "./matches.js";

const PERSON = `
  id version firstSeenAt lastSeenAt traits
  segments { segment { key name } enteredAt expiresAt }
  identities { kind }
  consents { purpose state at }
  events(first: 20) { edges { node { id type name at properties } } }`;
const TYPES = { id: "ID!", externalId: "String!", anonymousId: "String!", email: "String!" };
const find = (by) => `query Person($value: ${TYPES[by]}) { profile(by: { ${by}: $value }) { ${PERSON} } }`;
const RECENT = "query Recent { profiles(first: 20) { edges { node { id lastSeenAt segments { segment { name } } } } } }";

const panel = (title, ...content) => make("section", { class: "panel" }, make("header", {}, make("h2", {}, title)), ...content);
const facts = (pairs) => make("dl", { class: "facts" }, pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
const plainText = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const readable = (word) => String(word).toLowerCase().replaceAll("_", " ");

function card(person) {
  const traits = Object.entries(person.traits ?? {});
  const events = person.events.edges.map((edge) => edge.node);
  return make(
    "div",
    { class: "person" },
    make(
      "div",
      { class: "stack" },
      panel(
        "Profile",
        facts([
          ["Id", make("code", {}, person.id)],
          ["First seen", dateTime(person.firstSeenAt)],
          ["Last seen", dateTime(person.lastSeenAt)],
          ["Version", number.format(person.version)],
          ["Known by", person.identities.length ? [...new Set(person.identities.map(({ kind }) => readable(kind)))].join(", ") : "–"],
        ]),
      ),
      panel(
        "Segments",
        person.segments.length
          ? make(
              "ul",
              { class: "stack" },
              person.segments.map(({ segment, enteredAt, expiresAt }) =>
                make(
                  "li",
                  {},
                  make("span", { class: "badge accent" }, segment.name),
                  make("div", { class: "small quiet" }, "since ", dateTime(enteredAt), expiresAt ? [", until ", dateTime(expiresAt)] : ""),
                ),
              ),
            )
          : make("p", { class: "quiet" }, "In no segment."),
      ),
      panel("Traits", traits.length ? facts(traits.map(([name, value]) => [name, plainText(value)])) : make("p", { class: "quiet" }, "None known.")),
      panel(
        "Consent",
        person.consents.length
          ? make(
              "div",
              { class: "row" },
              person.consents.map(({ purpose, state }) =>
                make("span", { class: `badge dot ${readable(state) === "granted" ? "good" : "warn"}` }, `${readable(purpose)}: ${readable(state)}`),
              ),
            )
          : make("p", { class: "quiet" }, "No answer is stored. Events go by the consent that each of them brings."),
      ),
    ),
    panel(
      "Latest events",
      events.length
        ? make(
            "ol",
            { class: "events history" },
            events.map((event) =>
              make(
                "li",
                {},
                dateTime(event.at),
                make("span", { class: "name" }, event.name || readable(event.type)),
                Object.keys(event.properties ?? {}).length > 0 && make("span", { class: "detail" }, JSON.stringify(event.properties)),
              ),
            ),
          )
        : make("p", { class: "empty" }, "Nothing yet."),
    ),
  );
}

const row = ({ id, lastSeenAt, segments }) =>
  make(
    "li",
    {},
    make(
      "span",
      { class: "row" },
      make("a", { class: "mono", href: `#people/id/${encodeURIComponent(id)}` }, id),
      segments.map(({ segment }) => make("span", { class: "badge accent" }, segment.name)),
    ),
    dateTime(lastSeenAt),
  );

export function openPeople(ask) {
  const form = byId("look");
  const place = byId("person");

  const show = async (load) => {
    place.setAttribute("aria-busy", "true");
    try {
      place.replaceChildren(await load());
    } catch (error) {
      place.replaceChildren(make("p", { class: "message", role: "alert" }, error.message));
    }
    place.removeAttribute("aria-busy");
  };
  const recent = () =>
    show(async () => {
      const { profiles } = await ask(RECENT);
      const rows = profiles.edges.map((edge) => row(edge.node));
      return panel("Seen lately", rows.length ? make("ol", { class: "events recent" }, rows) : make("p", { class: "empty" }, "Nobody yet."));
    });
  const showMatches = openMatches(ask, recent);
  const person = (by, value) =>
    show(async () => {
      const { profile } = await ask(find(by), { value });
      return profile ? card(profile) : make("p", { class: "empty panel" }, "Nobody is known by that.");
    });

  form.onsubmit = (event) => {
    event.preventDefault();
    const { by, value } = form.elements;
    // An address of its own only for our ids: personal data has no place in the browser's history.
    if (by.value === "id") location.hash = `#people/id/${encodeURIComponent(value.value.trim())}`;
    else person(by.value, value.value.trim());
  };
  return {
    /** Shows the person that the address names, or those seen lately. */
    route(by, value) {
      showMatches();
      if (!value || !(by in TYPES)) return recent();
      form.elements.by.value = by;
      form.elements.value.value = value;
      return person(by, value);
    },
  };
}
