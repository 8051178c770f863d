// Segment definitions: from the form to JSON, from JSON to words and back to the form.

import { make } from "./dom.js";

const COMPARES = { "==": "is", "!=": "is not", ">": "is more than", ">=": "is at least", "<": "is less than", "<=": "is at most" };
const COUNTS = { ">=": "at least", "<=": "at most", "==": "exactly", ">": "more than", "<": "less than", "!=": "not" };
const UNITS = { s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks" };

const compared = (name, { op, value }) => `${name} ${COMPARES[op] ?? op} ${JSON.stringify(value) ?? ""}`.trim();

/** Says a definition in words. Shapes unknown here are shown as they are. */
export function inWords(definition) {
  switch (definition?.type) {
    case "count": {
      const [, amount, unit] = /^(\d+)([a-z]+)$/.exec(definition.window ?? "") ?? [];
      const within = amount ? ` within ${amount} ${amount === "1" ? (UNITS[unit] ?? unit).replace(/s$/, "") : (UNITS[unit] ?? unit)}` : "";
      const where = (definition.where ?? []).map(({ property, ...each }) => compared(property, each)).join(" and ");
      const by = definition.by ? ` of one ${definition.by}` : "";
      return `${COUNTS[definition.op] ?? definition.op} ${definition.n} × ${definition.event}${by}${where && ` where ${where}`}${within}`;
    }
    case "trait":
      return compared(definition.name, definition);
    case "not":
      return `not (${inWords(definition.child)})`;
    case "and":
    case "or":
      return (definition.children ?? []).map(joined).join(` ${definition.type} `);
    default:
      return JSON.stringify(definition);
  }
}

const joined = (child) => (child.type === "and" || child.type === "or" ? `(${inWords(child)})` : inWords(child));

/** Whether all of a definition can be said in words here. */
export function isSpoken(definition) {
  const { type, child, children = [] } = definition ?? {};
  if (type === "not") return isSpoken(child);
  return type === "and" || type === "or" ? children.every(isSpoken) : type === "count" || type === "trait";
}

const choice = (name, label, options, value) =>
  make(
    "select",
    { class: "input tight", name, "aria-label": label },
    Object.entries(options).map(([key, text]) => make("option", { value: key, selected: key === value }, text)),
  );

const text = (name, label, value, more = {}) =>
  make("input", { class: "input tight", name, "aria-label": label, placeholder: label, value, required: true, ...more });

/** The form row of one condition. */
export function conditionRow(leaf, onremove) {
  const negated = leaf.type === "not";
  const inner = negated ? leaf.child : leaf;
  const [, amount = "24", unit = "h"] = /^(\d+)([smhdw])$/.exec(inner.window ?? "") ?? [];
  const parts =
    inner.type === "count"
      ? [
          choice("op", "Compare the count", COUNTS, inner.op ?? ">="),
          text("n", "Times", inner.n ?? 3, { type: "number", min: 0, class: "input tight number" }),
          make("span", { class: "small" }, "×"),
          text("event", "Event name", inner.event, { class: "input tight wide", list: "event-names" }),
          make("span", { class: "small" }, "within"),
          text("amount", "Window", amount, { type: "number", min: 1, class: "input tight number" }),
          choice("unit", "Unit of the window", UNITS, unit),
        ]
      : [
          text("trait", "Trait name", inner.name, { class: "input tight wide" }),
          choice("op", "Compare", COMPARES, inner.op ?? "=="),
          text("value", "Value", inner.value === undefined ? "" : valueText(inner.value), { class: "input tight wide" }),
        ];
  return make(
    "li",
    { class: "condition", "data-type": inner.type },
    make("div", { class: "parts" }, parts),
    make(
      "div",
      { class: "row" },
      make("label", { class: "small row" }, make("input", { type: "checkbox", name: "not", checked: negated }), "must not hold"),
      make("button", { class: "button plain tight", type: "button", onclick: onremove }, "Remove"),
    ),
  );
}

const valueText = (value) => (typeof value === "string" && readValue(value) === value ? value : JSON.stringify(value));

/** A value as typed: true, 12 and "12" are told apart as in JSON; anything else is text. */
function readValue(typed) {
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}

/** Reads the form's rows into one definition, or null while there is none. */
export function readDefinition(match, rows) {
  const leaves = [...rows].map((row) => {
    const field = (name) => row.querySelector(`[name=${name}]`);
    const leaf =
      row.dataset.type === "count"
        ? {
            type: "count",
            event: field("event").value.trim(),
            op: field("op").value,
            n: field("n").valueAsNumber,
            window: field("amount").value + field("unit").value,
          }
        : { type: "trait", name: field("trait").value.trim(), op: field("op").value, value: readValue(field("value").value) };
    return field("not").checked ? { type: "not", child: leaf } : leaf;
  });
  if (!leaves.length) return null;
  return leaves.length === 1 ? leaves[0] : { type: match, children: leaves };
}

/** The rows of a definition, or null where the form cannot show it. */
export function leavesOf(definition) {
  const isCount = (part) => part.op in COUNTS && !part.where?.length && !part.by && /^\d+[smhdw]$/.test(part.window);
  const isPlain = (part) => (part?.type === "count" && isCount(part)) || (part?.type === "trait" && part.op in COMPARES);
  const isLeaf = (part) => isPlain(part) || (part?.type === "not" && isPlain(part.child));
  if (isLeaf(definition)) return { match: "and", leaves: [definition] };
  const { type, children = [] } = definition ?? {};
  return (type === "and" || type === "or") && children.every(isLeaf) ? { match: type, leaves: children } : null;
}
