import type { TagScript } from "./settings";

/** An array that takes the calls of the tag until it comes, or for ever where it is blocked. */
type Stub = unknown[] & Record<string, unknown>;

/** Makes the global and fetches the tag. Called again, it does nothing. The last arguments only save bytes. */
export function load(
  name: string,
  src: string,
  page = self as unknown as Record<string, Stub>,
  stub = [] as unknown as Stub,
  site = document,
  script = site.createElement("script") as TagScript,
): void {
  if (page[name]) return;
  // `consent.set` is taken as `set`: no other call has the names of its four.
  page[name] = stub.consent = stub;
  // The first gives a function, which any of them is; the order of the rest only packs well.
  "live ready set identify use on track alias optOut user group reset withdraw get flush from page"
    .split(" ")
    .map((call, place) => (stub[call] = (...given: unknown[]) => stub.push([call, ...given]) && (place ? stub : stub.on)));
  // A script made this way never holds up the page.
  script.src = src;
  // A page without nonces has none to check this one against.
  script.nonce = site.currentScript?.nonce as string;
  script.name = name;
  site.head.append(script);
}
