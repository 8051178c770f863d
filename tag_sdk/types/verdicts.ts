// What the compiler must say of a site's code: `tsc` fails where an error that is expected here does not come.
import type { Extras, Settings, Tagway } from "./index";

declare const tagway: Tagway;

tagway
  .page()
  .page("Home")
  .page("Shop", "Lamps", { sorted: true })
  .track("product_view", { product_id: "lamp", at: new Date() })
  .track("late", {}, { timestamp: "2026-01-01T00:00:00Z" })
  .identify("ann", { plan: "gold" })
  .identify({ plan: "gold" })
  .group(7)
  .alias("ann")
  .reset();
// @ts-expect-error An event has a name.
tagway.track();
// @ts-expect-error A function cannot be sent.
tagway.track("x", { y: () => 1 });

tagway.consent.set({ analytics: true, advertising: "denied" });
// @ts-expect-error No such purpose.
tagway.consent.set({ marketing: true });
// @ts-expect-error No such state.
tagway.consent.set({ analytics: "yes" });
const state: "granted" | "denied" | "pending" = tagway.consent.get().analytics;

tagway.consent.from("tcf", { vendor: 9 });
tagway.consent.from("onetrust", { purposes: { analytics: ["C0002"] } });
tagway.consent.from((report) => report({ analytics: true }));
// @ts-expect-error No such source.
tagway.consent.from("banner");
// @ts-expect-error Purposes of the TCF are numbers.
tagway.consent.from("tcf", { purposes: { analytics: ["8"] } });

tagway.use("scroll", { steps: [50] });
tagway.use("shop", {}, (shop) => shop.productView({ product_id: "lamp" }));
// @ts-expect-error No such extra.
tagway.use("telepathy");
// @ts-expect-error A product has an id.
tagway.use("shop", {}, (shop) => shop.addToCart({ name: "Lamp" }));
// @ts-expect-error Nothing is handed over.
tagway.use("scroll", {}, (scroll) => scroll.stop());

tagway.on("results", (results) => results.map(({ message_id, outcome }) => message_id + outcome));
tagway.on("drop", ({ reason, count }) => `${reason} ${count}`);
// @ts-expect-error No such notice.
tagway.on("sent", () => {});
const stop: () => void = tagway.live(async () => "token", ({ segments }) => segments.join());

const settings: Partial<Settings> = { writeKey: "wk", extras: { scroll: {} }, consentFrom: { gpp: {} }, storage: "cookie" };
// @ts-expect-error No such place.
const elsewhere: Partial<Settings> = { storage: "sessionStorage" };
type Rules = NonNullable<Extras["datalayer"]["options"]["rules"]>;
const rules: Rules = [{ on: "login", identify: "user.id" }];

export const seen = [state, stop, settings, elsewhere, rules];
