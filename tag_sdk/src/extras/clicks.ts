import { extend } from "../parts";

const EVENT = "tagwayEvent";
const PREFIX = "tagwayProp";

/**
 * Reports clicks on annotated elements: `data-tagway-event="add_to_cart"` names the event, each
 * `data-tagway-prop-product-id="lamp"` a property (`product_id`).
 */
extend(({ tagway }) => {
  document.addEventListener(
    "click",
    ({ target }) => {
      const element = target instanceof Element ? target.closest<HTMLElement>("[data-tagway-event]") : null;
      const name = element?.dataset[EVENT];
      if (!element || !name) return;
      const properties: Record<string, string> = {};
      for (const [key, value] of Object.entries(element.dataset)) {
        if (!key.startsWith(PREFIX) || value === undefined) continue;
        const snake = key.slice(PREFIX.length).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
        properties[snake.slice(1)] = value;
      }
      tagway.track(name, properties);
    },
    true,
  );
});
