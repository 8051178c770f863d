// The shop's pages. Each gives its title and its elements.

import { make } from "/console/static/dom.js";
import { readCart } from "./cart.js";
import { findGood, GOODS, picture, priceText } from "./goods.js";

const image = (good) => make("img", { src: picture(good), alt: "", width: 320, height: 240 });

/** A good among others; `note` says why it stands there. */
export const tile = (good, { note, onclick } = {}) =>
  make(
    "li",
    {},
    make(
      "a",
      { class: "tile", href: `/demo/products/${good.id}`, ...(onclick && { onclick }) },
      make("figure", { class: `figure ${good.category}` }, image(good)),
      make("span", { class: "tile-name" }, good.name),
      make("span", { class: "quiet" }, priceText(good.price)),
      note && make("span", { class: "quiet small" }, note),
    ),
  );

const tiles = (goods) => make("ul", { class: "tiles" }, goods.map((good) => tile(good)));

/** Where the visitor's own picks will stand, if there are any. */
const picksFor = (page, exclude) => {
  const place = make("section", { hidden: true });
  return { place, page, exclude };
};

export function home() {
  return {
    title: "Lumen & Loom",
    content: [
      make(
        "section",
        { class: "hero" },
        make("h1", {}, "Quiet things for lived-in rooms"),
        make("p", { class: "quiet" }, "Look at three things you like, and watch the panel find out what you are keen on."),
      ),
      tiles(GOODS),
    ],
  };
}

export function product(id, onadd) {
  const good = findGood(id);
  if (!good) return missing();
  const picks = picksFor("product", [good.id]);
  return {
    title: `${good.name} · Lumen & Loom`,
    good,
    picks,
    content: [
      make("a", { class: "back small", href: "/demo" }, "← All things"),
      make(
        "article",
        { class: "product" },
        make("figure", { class: `figure ${good.category}` }, image(good)),
        make(
          "div",
          { class: "stack" },
          make("h1", {}, good.name),
          make("p", { class: "price" }, priceText(good.price)),
          make("p", {}, good.text),
          make("div", { class: "row" }, make("button", { class: "button main", type: "button", onclick: () => onadd(good) }, "Add to cart")),
          make("p", { class: "small quiet", role: "status", id: "added" }),
        ),
      ),
      make("h2", { class: "more" }, "More of its kind"),
      tiles(GOODS.filter((other) => other !== good && other.category === good.category)),
      picks.place,
    ],
  };
}

export function cart(onchange) {
  const picks = picksFor("cart", Object.keys(readCart()));
  const lines = Object.entries(readCart()).map(([id, times]) => ({ good: findGood(id), times }));
  if (!lines.length) {
    return {
      title: "Cart · Lumen & Loom",
      content: [make("h1", {}, "Your cart"), make("p", { class: "empty" }, "Still empty. ", make("a", { href: "/demo" }, "Have a look around"), ".")],
    };
  }
  const total = lines.reduce((sum, { good, times }) => sum + good.price * times, 0);
  const step = (good, change, text) =>
    make("button", { class: "button tight", type: "button", "aria-label": `${text} ${good.name}`, onclick: () => onchange(good, change) }, change > 0 ? "+" : "−");
  return {
    title: "Cart · Lumen & Loom",
    total,
    picks,
    content: [
      make("h1", {}, "Your cart"),
      make(
        "ul",
        { class: "lines" },
        lines.map(({ good, times }) =>
          make(
            "li",
            {},
            make("figure", { class: `figure ${good.category}` }, image(good)),
            make("a", { href: `/demo/products/${good.id}` }, good.name),
            make("span", { class: "row" }, step(good, -1, "One less"), make("span", { class: "times" }, times), step(good, 1, "One more")),
            make("span", { class: "sum" }, priceText(good.price * times)),
          ),
        ),
      ),
      make("p", { class: "total" }, "Together ", make("strong", {}, priceText(total))),
      make("a", { class: "button main", href: "/demo/checkout" }, "Go to checkout"),
      picks.place,
    ],
  };
}

export function checkout(onorder) {
  const field = (label, attributes) => make("label", { class: "field" }, make("span", {}, label), make("input", { class: "input", required: true, ...attributes }));
  const form = make(
    "form",
    { class: "panel checkout stack" },
    field("Name", { name: "name", autocomplete: "name" }),
    field("E-mail", { name: "email", type: "email", autocomplete: "email" }),
    make("p", { class: "small quiet" }, "Nothing is ordered or charged. With your consent the shop tells Tagway who you are; the privacy layer seals it."),
    make("button", { class: "button main", type: "submit" }, "Place order"),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    onorder(form.elements.namedItem("name").value, form.elements.namedItem("email").value);
  };
  return { title: "Checkout · Lumen & Loom", content: [make("h1", {}, "Checkout"), form] };
}

export function thanks() {
  return {
    title: "Thank you · Lumen & Loom",
    content: [make("section", { class: "hero" }, make("h1", {}, "Thank you"), make("p", { class: "quiet" }, "Your order is imaginary, your events were real."), make("a", { class: "button", href: "/demo" }, "Back to the shop"))],
  };
}

export function missing() {
  return { title: "Not here · Lumen & Loom", content: [make("h1", {}, "Not here"), make("p", {}, make("a", { href: "/demo" }, "Back to the shop"))] };
}
