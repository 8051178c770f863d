import type { Extras } from "../../types/index";
import { extend } from "../parts";
import { setHarmless } from "./harmless";
import { askToken } from "./token";

const QUERY = `query($first:Int!,$context:RecommendationContext){profile{recommendations(first:$first,context:$context){
listId personalized nodes{position reason{text}item{productId name category price imageUrl attributes}}}}}`;
const PICK = "data-tagway-pick";
const SET = "data-tagway-set-";

interface List {
  listId: string;
  personalized: boolean;
  nodes: { position: number; reason: { text: string }; item: { productId: string; attributes: object } & Record<string, unknown> }[];
}
type Pick = Record<string, unknown>;

/** Writes a pick into "{name}" or "/products/{product_id}"; inside an address a value cannot become another part of it. */
function write(text: string, pick: Pick, address: boolean): string {
  const read = (name: string) => String(pick[name] ?? "");
  const [, whole] = /^\{(\w+)\}$/.exec(text) ?? [];
  if (whole) return read(whole);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => (address ? encodeURIComponent(read(name)) : read(name)));
}

/**
 * Fills declared places (`data-tagway-picks="3"`) with what is picked for the visitor, one copy of the place's own
 * `<template>` each; text and harmless attributes only. Without consent for personalisation, or anything to show, the
 * place stays hidden.
 */
extend<Extras["picks"]["options"]>(({ tagway, settings, options, emit }) => {
  let turn = 0;

  const ask = async (first: number, placement?: string): Promise<List | undefined> => {
    const context = { placement, pageType: options.pageType, device: options.device };
    const response = await fetch(`${settings.host}/graphql`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${await askToken(tagway, options.token)}` },
      body: JSON.stringify({ query: QUERY, variables: { first, context } }),
    });
    return ((await response.json()) as { data?: { profile?: { recommendations: List } } }).data?.profile?.recommendations;
  };
  const clear = (place: HTMLElement) => {
    place.hidden = true;
    for (const old of place.querySelectorAll(`[${PICK}]`)) old.remove();
  };
  const copy = (template: HTMLTemplateElement, pick: Pick, clicked: () => void) => {
    const piece = document.importNode(template.content, true);
    for (const element of piece.querySelectorAll("*"))
      for (const { name, value } of [...element.attributes]) {
        const attribute = name.startsWith(SET) ? name.slice(SET.length) : "";
        if (name === "data-tagway-text") element.textContent = write(value, pick, false);
        else if (attribute) setHarmless(element, attribute, write(value, pick, /^(href|src)$/.test(attribute)));
      }
    for (const child of piece.children) {
      child.setAttribute(PICK, String(pick.product_id));
      child.addEventListener("click", clicked);
    }
    return piece;
  };
  const fill = async (place: HTMLElement, mine: number) => {
    const template = place.querySelector("template");
    const list = template && (await ask(Number(place.dataset.tagwayPicks) || 3, place.dataset.tagwayPlacement));
    // Another page, or another word on consent, has come in between.
    if (mine !== turn) return;
    clear(place);
    if (!template || !list?.nodes.length) return;
    for (const { position, reason, item } of list.nodes) {
      const { productId: product_id, imageUrl: image_url, attributes, ...more } = item;
      const clicked = () => tagway.track("recommendation_clicked", { list_id: list.listId, product_id, position });
      place.append(copy(template, { ...attributes, ...more, product_id, image_url, position, reason: reason.text }, clicked));
    }
    place.hidden = false;
    tagway.track("recommendation_shown", { list_id: list.listId });
  };
  const follow = () => {
    const mine = ++turn;
    const allowed = tagway.consent.get().personalization === "granted";
    for (const place of document.querySelectorAll<HTMLElement>("[data-tagway-picks]"))
      allowed ? fill(place, mine).catch((error: unknown) => emit("error", error)) : clear(place);
  };
  tagway.on("consent", follow);
  tagway.on("message", ({ type }) => type === "page" && follow());
  follow();
});
