// The shop: embeds the tag as any site would, and tells it what happens.

import { changeCart, emptyCart, readCart, showCount } from "./cart.js";
import { findGood } from "./goods.js";
import { load } from "./loader.js";
import { openPicks } from "./picks.js";
import { openBanner } from "./privacy.js";
import { openRouter } from "./router.js";
import { openSelf } from "./self.js";
import * as views from "./views.js";

// The loader's stand-in takes the calls until the tag has replaced it, so it is always read anew.
const tagway = () => window.tagway;

async function embedTag() {
  const response = await fetch("/demo/settings.json");
  const { writeKey } = await response.json();
  load("tagway", `/tag/${encodeURIComponent(writeKey)}.js`);
}

const worth = () => Object.entries(readCart()).reduce((sum, [id, times]) => sum + findGood(id).price * times, 0) / 100;

let go;
let fillPicks = () => {};
let picks;
let opened = Date.now();

function add(good) {
  changeCart(good.id, 1);
  tagway().track("add_to_cart", { product_id: good.id, category: good.category, price: good.price / 100 });
  document.getElementById("added").textContent = `${good.name} is in your cart.`;
}

function order(name, email) {
  tagway().identify(email, { name, email });
  tagway().track("purchase", { value: worth(), currency: "EUR", products: Object.keys(readCart()).map((id) => ({ product_id: id })) });
  emptyCart();
  go("/demo/thanks");
}

function pageOf(path) {
  const [, , place, id] = path.replace(/\/$/, "").split("/");
  if (place === undefined) return views.home();
  if (place === "products") return views.product(id, add);
  if (place === "cart") return views.cart((good, change) => (changeCart(good.id, change), show(path, false)));
  if (place === "checkout") return views.checkout(order);
  if (place === "thanks") return views.thanks();
  return views.missing();
}

function show(path, moved) {
  const { title, content, good, ...page } = pageOf(path);
  picks = page.picks;
  const main = document.getElementById("main");
  document.title = title;
  main.replaceChildren(...content);
  if (moved) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  const now = Date.now();
  if (good) tagway().track("product_view", { product_id: good.id, category: good.category, view_time: Math.round((now - opened) / 1000) });
  if (path === "/demo/checkout" && moved) tagway().track("checkout_start", { value: worth(), currency: "EUR" });
  opened = now;
  fillPicks(picks);
}

await embedTag().catch((error) => {
  // Without a gateway the shop still works: its calls go nowhere.
  console.warn(`the tag could not be fetched: ${error.message}`);
  load("tagway", "/tag.js");
});
showCount();
go = openRouter(show);
tagway().ready(() => {
  openBanner(tagway);
  openSelf(tagway);
  fillPicks = openPicks(tagway);
  tagway().on("consent", () => setTimeout(() => fillPicks(picks)));
  fillPicks(picks);
});
