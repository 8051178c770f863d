// Try GraphQL: one operation at a time, subscriptions over a line, and the schema to read beside it.
import { byId, make } from "./dom.js";
import { Line } from "./graphql.js";

const EXAMPLE = `# Ctrl+Enter runs it. The secret key that \`make up\` prints goes above.
query {
  viewer {
    scopes
  }
  segments(first: 5) {
    nodes {
      key
      name
      size
    }
  }
}
`;
const SCHEMA = `{ __schema { types { kind name description
  fields(includeDeprecated: true) { name description args { name type { ...T } } type { ...T } }
  inputFields { name description type { ...T } } enumValues { name description } possibleTypes { name } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;
const REMEMBERED = "tagway-explorer";

const [key, run, stop, state, text, variables, answer, find, schema] = [
  "key", "run", "stop", "state", "document", "variables", "answer", "find", "schema",
].map(byId);
let line;
let types = new Map();

text.value = sessionStorage.getItem(REMEMBERED) ?? EXAMPLE;
text.addEventListener("input", () => sessionStorage.setItem(REMEMBERED, text.value));

const show = (value) => (answer.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2));

async function post(query, given = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (key.value) headers.Authorization = `Bearer ${key.value.trim()}`;
  const body = JSON.stringify({ query, variables: given });
  const response = await fetch(location.pathname, { method: "POST", headers, body, credentials: "omit" });
  return response.json();
}

function end() {
  line?.close();
  line = undefined;
  stop.hidden = true;
}

function watch(query, given) {
  let told = [];
  const hear = (data) => {
    told = [data, ...told].slice(0, 50);
    show(told);
  };
  line = new Line({ token: key.value.trim() }, (now) => (state.textContent = now));
  line.subscribe(query, hear, {
    variables: () => given,
    failed: (reason) => {
      show(reason);
      end();
    },
  });
  line.open();
  stop.hidden = false;
}

async function ask() {
  end();
  let given;
  try {
    given = JSON.parse(variables.value || "{}");
  } catch {
    return show("The variables are no JSON object.");
  }
  if (/^\s*subscription\b/m.test(text.value)) return watch(text.value, given);
  state.textContent = "asking";
  const began = performance.now();
  try {
    show(await post(text.value, given));
    state.textContent = `${Math.round(performance.now() - began)} ms`;
  } catch {
    state.textContent = "";
    show("The gateway does not answer.");
  }
}

run.addEventListener("click", ask);
stop.addEventListener("click", end);
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    event.preventDefault();
    ask();
  }
});

function named(type) {
  if (type.kind === "NON_NULL") return [...named(type.ofType), "!"];
  if (type.kind === "LIST") return ["[", ...named(type.ofType), "]"];
  const open = (event) => {
    event.preventDefault();
    find.value = type.name;
    list();
  };
  return [make("a", { href: "#", onclick: open }, type.name)];
}

function field({ name, args = [], type, description }) {
  const given = args.flatMap((each, place) => [place ? ", " : "(", `${each.name}: `, ...named(each.type)]);
  return [
    make("dt", {}, name, ...given, given.length ? ")" : "", ...(type ? [": ", ...named(type)] : [])),
    make("dd", {}, description ?? ""),
  ];
}

/** Shows the type of that name, else the fields that have the words in their names. */
function list() {
  const wanted = find.value.trim() || "Query";
  const type = types.get(wanted);
  const parts = (each) => [...(each.fields ?? []), ...(each.inputFields ?? []), ...(each.enumValues ?? [])];
  if (type) {
    const members = (type.possibleTypes ?? []).flatMap((each) => [" ", ...named({ kind: "OBJECT", name: each.name })]);
    schema.replaceChildren(
      make("h2", {}, type.name),
      make("p", { class: "quiet" }, type.description ?? "", ...members),
      make("dl", {}, ...parts(type).flatMap(field)),
    );
    return;
  }
  const near = (name) => name.toLowerCase().includes(wanted.toLowerCase());
  const found = [...types.values()].filter((each) => near(each.name) || parts(each).some((part) => near(part.name)));
  schema.replaceChildren(
    make("ul", {}, ...found.slice(0, 60).map((each) => make("li", {}, ...named({ kind: "OBJECT", name: each.name })))),
  );
}

async function learn() {
  const told = await post(SCHEMA).catch(() => ({}));
  types = new Map((told.data?.__schema.types ?? []).map((type) => [type.name, type]));
  list();
}

find.addEventListener("input", list);
learn();
