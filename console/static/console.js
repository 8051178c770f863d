// Puts the console together: the key, the line to the gateway, and the three views.

import { openChanges } from "./changes.js";
import { byId, say } from "./dom.js";
import { openFeed } from "./feed.js";
import { ask, Line, Refused } from "./graphql.js";
import { dropKey, keepKey, readKey } from "./key.js";
import { openPeople } from "./people.js";
import { openSegments } from "./segments.js";

const VIEWS = ["live", "segments", "people"];
const STATES = {
  connecting: ["Connecting", "warn"],
  open: ["Live", "good"],
  waiting: ["Reconnecting", "warn"],
  refused: ["Refused", "bad"],
  closed: ["Not connected", ""],
};

function showState(state) {
  const [text, tone] = STATES[state];
  byId("line").textContent = text;
  byId("line").className = `badge dot line ${tone}`;
}

function showView(people) {
  const [view, by, value] = location.hash.slice(1).split("/");
  // "#main" is the skip link: the view stays.
  if (view === "main") return;
  const shown = VIEWS.includes(view) ? view : "live";
  for (const name of VIEWS) {
    byId(name).hidden = name !== shown;
    const tab = document.querySelector(`.tabs a[href="#${name}"]`);
    if (name === shown) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${shown[0].toUpperCase()}${shown.slice(1)} · Tagway console`;
  if (shown === "people") people.route(by, value && decodeURIComponent(value));
}

/** Opens everything with a key that the gateway knows; throws `Refused` otherwise. */
async function open(key) {
  const question = (query, variables) => ask(key, query, variables);
  const { viewer } = await question("query Viewer { viewer { workspace scopes countThreshold } }");
  keepKey(key);
  byId("door").hidden = true;
  byId("tabs").hidden = byId("leave").hidden = false;

  const line = new Line({ token: key }, showState);
  openFeed(line);
  openChanges(line, openSegments(question, viewer.countThreshold));
  const people = openPeople(question);
  line.open();
  addEventListener("hashchange", () => showView(people));
  showView(people);
}

function askForKey(reason = "") {
  const form = byId("door").querySelector("form");
  byId("door").hidden = false;
  say(form, reason);
  form.elements.key.focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    say(form, "");
    open(form.elements.key.value.trim()).catch((error) => say(form, words(error)));
  };
}

const words = (error) => (error instanceof Refused ? error.message : "The gateway cannot be reached.");

byId("leave").onclick = () => {
  dropKey();
  location.reload();
};

const key = readKey();
if (key) open(key).catch((error) => askForKey(words(error)));
else askForKey();
