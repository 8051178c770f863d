// What is picked for the visitor, asked for anew on each page, and word of what became of it.

import { make } from "/console/static/dom.js";
import { ask } from "/console/static/graphql.js";
import { findGood } from "./goods.js";
import { fetchToken } from "./token.js";
import { tile } from "./views.js";

const LIST = `query ($exclude: [String!], $page: String!) {
  profile {
    recommendations(first: 3, filter: { exclude: $exclude }, context: { pageType: $page }) {
      listId
      personalized
      nodes { position item { productId } reason { text } }
    }
  }
}`;

export function openPicks(tagway) {
  let newest = 0;

  const pick = async (exclude, page) => {
    const { anonymousId } = tagway().user();
    if (!anonymousId || tagway().consent.get().personalization !== "granted") return undefined;
    const { profile } = await ask(await fetchToken(anonymousId), LIST, { exclude, page });
    const list = profile?.recommendations;
    const nodes = list?.nodes.filter(({ item }) => findGood(item.productId));
    return nodes?.length ? { ...list, nodes } : undefined;
  };

  const card = (list, { item, position, reason }) => {
    const clicked = () => tagway().track("recommendation_clicked", { list_id: list.listId, product_id: item.productId, position });
    return tile(findGood(item.productId), { note: reason.text, onclick: clicked });
  };

  /** Fills a page's place for picks; it stays hidden where there is nothing to show or the visitor did not agree. */
  return async function fill(picks) {
    const turn = ++newest;
    if (!picks) return;
    const { place, page, exclude } = picks;
    const list = await pick(exclude, page).catch((error) => console.warn(`no picks: ${error.message}`));
    if (turn !== newest) return;
    place.hidden = !list;
    if (!list) return place.replaceChildren();
    place.replaceChildren(
      make("h2", { class: "more" }, list.personalized ? "Picked for you" : "Much wanted now"),
      make("ul", { class: "tiles" }, list.nodes.map((node) => card(list, node))),
    );
    tagway().track("recommendation_shown", { list_id: list.listId });
  };
}
