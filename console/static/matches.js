// Pairs of people who are so alike that they may be one: an operator says whether they are.

import { byId, make, number, say, whoLink } from "./dom.js";

const LIST = "query Matches { matchCandidates(first: 50) { id profileId otherProfileId score fields { name score } } }";
const ACCEPT = `mutation Accept($id: ID!, $reason: String!) {
  acceptMatch(input: { id: $id, reason: $reason }) { __typename ... on Problem { message } }
}`;
const REJECT = `mutation Reject($id: ID!) {
  rejectMatch(input: { id: $id }) { __typename ... on Problem { message } }
}`;

const percent = (score) => `${number.format(Math.round(score * 100))} %`;
const readable = (name) => name.replaceAll("_", " ");

/** `decided` is called when two have become one. Returns a way to show what is open now. */
export function openMatches(ask, decided) {
  function row({ id, profileId, otherProfileId, score, fields }) {
    const form = make(
      "form",
      { class: "verdicts" },
      make("input", { class: "input tight", name: "reason", required: true, maxlength: 500, autocomplete: "off", "aria-label": "Reason", placeholder: "Why they are one" }),
      make("button", { class: "button tight", type: "submit" }, "One person"),
      make("button", { class: "button plain tight", type: "button", onclick: () => decide(form, REJECT, { id }) }, "Two people"),
      make("p", { class: "message", role: "alert", hidden: true }),
    );
    form.onsubmit = (event) => {
      event.preventDefault();
      decide(form, ACCEPT, { id, reason: form.elements.reason.value.trim() }).then((done) => done && decided());
    };
    return make(
      "li",
      {},
      make("div", { class: "row" }, whoLink(profileId), make("span", { class: "small quiet" }, "and"), whoLink(otherProfileId), make("span", { class: "badge accent" }, `${percent(score)} alike`)),
      make("div", { class: "row small quiet" }, fields.map((field) => make("span", {}, `${readable(field.name)} ${percent(field.score)}`))),
      form,
    );
  }

  async function decide(form, mutation, variables) {
    try {
      const [answer] = Object.values(await ask(mutation, variables));
      if (answer.message) return say(form, answer.message);
      await show();
      byId("matches-title").focus();
      return true;
    } catch (error) {
      say(form, error.message);
    }
  }

  async function show() {
    const { matchCandidates } = await ask(LIST);
    byId("matches").hidden = !matchCandidates.length;
    byId("matches-count").textContent = number.format(matchCandidates.length);
    byId("matches-list").replaceChildren(...matchCandidates.map(row));
  }
  return () => show().catch((error) => console.warn(error.message));
}
