/** An array that takes the calls of the tag until it comes, or for ever where it is blocked. */
type Stub = unknown[] & Record<string, unknown>;

/** Makes the global and fetches the tag. Called again, it does nothing. The last arguments only save bytes. */
export function load(
  name: string,
  src: string,
  page = self as unknown as Record<string, Stub>,
  stub = [] as unknown as Stub,
  site = document,
  script = site.createElement("script"),
): void {
  if (page[name]) return;
  // `consent.set` is taken as `set`: no other call has the names of its four.
  page[name] = stub.consent = stub;
  "page track identify group alias ready reset set get on flush optOut use user live withdraw from"
    .split(" ")
    .map((call) => (stub[call] = (...given: unknown[]) => stub.push([call, ...given]) && stub));
  // A script made this way never holds up the page.
  script.src = src;
  // A page without nonces has none to check this one against.
  script.nonce = site.currentScript?.nonce as string;
  script.dataset.name = name;
  site.head.append(script);
}
