import type { Condition, DataLayerRule, Extras, Json, Properties } from "../../types/index";
import { extend } from "../parts";

type Values = Record<string, unknown>;

const ITEM = { product_id: "ecommerce.items.0.item_id", name: "ecommerce.items.0.item_name", category: "ecommerce.items.0.item_category", price: "ecommerce.items.0.price" };
const CART = { value: "ecommerce.value", currency: "ecommerce.currency", products: "ecommerce.items", coupon: "ecommerce.coupon" };
/** The recommended events of Google Analytics 4, in the words of this gateway. */
const RULES: DataLayerRule[] = [
  { on: "view_item", track: "product_view", properties: ITEM },
  { on: "add_to_cart", track: "add_to_cart", properties: { ...ITEM, quantity: "ecommerce.items.0.quantity" } },
  { on: "remove_from_cart", track: "remove_from_cart", properties: { ...ITEM, quantity: "ecommerce.items.0.quantity" } },
  { on: "begin_checkout", track: "checkout_start", properties: CART },
  { on: "purchase", track: "purchase", properties: { ...CART, order_id: "ecommerce.transaction_id" } },
  { on: "search", track: "search", properties: { query: "search_term" } },
];

// An Arguments object has the prototype of a plain one, but can be iterated.
const isPlain = (value: unknown): value is Values =>
  !!value && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype && !(Symbol.iterator in value);

function merge(into: Values, from: Values): void {
  for (const [name, value] of Object.entries(from)) {
    if (name === "__proto__") continue;
    if (!isPlain(value)) into[name] = value;
    else merge((into[name] = isPlain(into[name]) ? into[name] : {}) as Values, value);
  }
}

/** Reads `ecommerce.items.0.price`; a name with dots in it, as `gtm.elementId`, is tried as it is first. */
function read(values: Values, path: string): unknown {
  if (path in values) return values[path];
  return path.split(".").reduce<unknown>((value, name) => (value as Values | null | undefined)?.[name], values);
}

function holds(wanted: Condition, value: unknown): boolean {
  if (Array.isArray(wanted)) return wanted.some((one) => one === value);
  if (!isPlain(wanted)) return wanted === value;
  const { matches, over = -Infinity, under = Infinity } = wanted as { matches?: string; over?: number; under?: number };
  if (matches !== undefined) return new RegExp(matches).test(String(value ?? ""));
  return Number(value) > over && Number(value) < under;
}

/**
 * Follows a data layer: keeps its variables as tag managers do, and turns its events into calls of the tag by rules.
 * What was pushed before is read too.
 */
extend<Extras["datalayer"]["options"]>(({ tagway, options }) => {
  const page = self as unknown as Record<string, unknown[] | undefined>;
  const layer = (page[options.dataLayer ?? "dataLayer"] ??= []);
  const rules = options.rules ?? RULES;
  const model: Values = {};

  const apply = ({ when = {}, properties = {}, ...rule }: DataLayerRule) => {
    if (!Object.entries(when).every(([path, wanted]) => holds(wanted, read(model, path)))) return;
    const values: Properties = {};
    for (const [name, source] of Object.entries(properties)) {
      const value = isPlain(source) ? source.value : read(model, source as string);
      if (value !== undefined && value !== null) values[name] = value as Json;
    }
    const user = rule.identify && read(model, rule.identify);
    if (typeof user === "string" || typeof user === "number") tagway.identify(user, rule.track === undefined ? values : {});
    if (rule.track !== undefined) tagway.track(rule.track || String(model.event), values);
  };
  const hear = (entry: unknown) => {
    let values: Values = {};
    if (isPlain(entry)) values = entry;
    else if (entry && typeof entry === "object" && "length" in entry) {
      // `gtag("event", name, {…})` pushes its Arguments object; its values stand where e-commerce has them.
      const [command, name, given] = Array.from(entry as ArrayLike<unknown>);
      if (command !== "event" || typeof name !== "string") return;
      values = { ...(isPlain(given) && { ...given, ecommerce: given }), event: name };
    }
    // The last cart is not this one's.
    if ("ecommerce" in values) delete model.ecommerce;
    merge(model, values);
    const { event } = values;
    if (typeof event === "string") for (const rule of rules) if (holds(rule.on, event)) apply(rule);
  };
  const safely = (entry: unknown) => {
    try {
      hear(entry);
    } catch {
      // Whoever pushes must not suffer from an entry that cannot be read.
    }
  };
  const push = layer.push;
  layer.push = function (...entries: unknown[]) {
    const length = push.apply(layer, entries);
    entries.forEach(safely);
    return length;
  };
  [...layer].forEach(safely);
});
