import type { Cart, Product, Properties, Shop } from "../../types/index";
import { extend } from "../parts";

/** Gives a shop one call for each of the events that profiles, segments and recommendations know. */
extend(({ tagway }) => {
  const total = ({ products = [] }: Cart) => products.reduce((sum, { price = 0, quantity = 1 }) => sum + price * quantity, 0);
  const valued = (cart: Cart) => ({ value: Math.round(total(cart) * 100) / 100, ...cart }) as unknown as Properties;
  const plain = (product: Product) => ({ ...product }) as unknown as Properties;
  const bought = new Set<string | number>();
  const shop: Shop = {
    productView: (product) => void tagway.track("product_view", plain(product)),
    addToCart: (product) => void tagway.track("add_to_cart", { quantity: 1, ...plain(product) }),
    removeFromCart: (product) => void tagway.track("remove_from_cart", { quantity: 1, ...plain(product) }),
    checkoutStart: (cart) => void tagway.track("checkout_start", valued(cart)),
    purchase(order) {
      // A page that renders twice has not sold twice.
      if (bought.has(order.order_id)) return;
      bought.add(order.order_id);
      tagway.track("purchase", valued(order));
    },
    search: (query, results) => void tagway.track("search", { query, ...(results !== undefined && { results }) }),
  };
  return shop;
});
