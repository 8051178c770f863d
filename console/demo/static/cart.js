// The cart: what is in it, for as long as the tab is open.

const NAME = "shop.cart";

export const readCart = () => JSON.parse(sessionStorage.getItem(NAME) ?? "{}");

const save = (cart) => {
  sessionStorage.setItem(NAME, JSON.stringify(cart));
  const count = Object.values(cart).reduce((sum, times) => sum + times, 0);
  document.getElementById("cart-count").textContent = count;
};

export const showCount = () => save(readCart());

/** Puts `change` more of a good in the cart; none are left where it falls to 0. */
export function changeCart(id, change) {
  const cart = readCart();
  cart[id] = (cart[id] ?? 0) + change;
  if (cart[id] <= 0) delete cart[id];
  save(cart);
}

export const emptyCart = () => save({});
