import type { Message, Options, Properties } from "../types/index";
import type { ConsentKeeper } from "./consent";
import type { Identity } from "./identity";
import { uuid } from "./uuid";

declare const VERSION: string;
export const version = VERSION;

/** The page as it is now; `referrer` is the page before it, also inside a single-page site. */
export function pageContext(referrer: string): Properties {
  const { href, pathname, search } = location;
  return { path: pathname, referrer, search, title: document.title, url: href };
}

/** The campaign that the address names (`utm_…`), or undefined. */
function campaign(): Properties | undefined {
  const found: Properties = {};
  new URLSearchParams(location.search).forEach((value, name) => {
    if (name.startsWith("utm_")) found[name.slice(4).replace(/^campaign$/, "name")] = value;
  });
  return Object.keys(found).length ? found : undefined;
}

/** Programs that say so themselves; the gateway decides what becomes of their events. */
const isBot = () => navigator.webdriver || /bot\b|crawler|spider|headless/i.test(navigator.userAgent) || undefined;

/** Builds a message of the present moment. Values are copied: the site may change its objects afterwards. */
export function compose(
  fields: Pick<Message, "type"> & Partial<Message>,
  options: Options = {},
  state: { who: Identity; consent: ConsentKeeper; session: string | undefined; before: string },
): Message {
  const { context, timestamp } = options;
  return JSON.parse(
    JSON.stringify({
      ...state.who.ids(),
      ...fields,
      messageId: uuid(),
      timestamp: new Date(timestamp ?? Date.now()).toISOString(),
      context: {
        page: pageContext(state.before),
        campaign: campaign(),
        userAgent: navigator.userAgent,
        locale: navigator.language,
        library: { name: "tagway", version },
        sessionId: state.session,
        bot: isBot(),
        ...context,
        consent: state.consent.carried(),
      },
    }),
  ) as Message;
}
