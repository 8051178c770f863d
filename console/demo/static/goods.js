// What the shop shows. Prices in cents.

export const GOODS = [
  { id: "lamp", name: "Arc lamp", category: "light", price: 8900, text: "A warm pool of light over a chair and a book. Powder-coated steel, linen cord." },
  { id: "lantern", name: "Paper lantern", category: "light", price: 3400, text: "Folded by hand from mulberry paper; glows like the hour after sunset." },
  { id: "chair", name: "Loom chair", category: "furniture", price: 21900, text: "Ash frame, woven seat. Lighter than it looks and made to be mended." },
  { id: "shelf", name: "Peg shelf", category: "furniture", price: 7600, text: "Three pegs, one board, no screws in sight." },
  { id: "rug", name: "Field rug", category: "textile", price: 15400, text: "Undyed wool in the colours the sheep came in." },
  { id: "cushion", name: "Dune cushion", category: "textile", price: 4200, text: "A heavy weave that softens with every wash." },
];

export const findGood = (id) => GOODS.find((good) => good.id === id);

export const picture = (good) => `/demo/static/goods/${good.id}.svg`;

const currency = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
export const priceText = (cents) => currency.format(cents / 100);
