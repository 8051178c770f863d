/** An array that takes the calls of the tag until it comes, or for ever where it is blocked. */
type Stub = unknown[] & Record<string, unknown>;

/** Makes the global and fetches the tag. Called again, it does nothing. */
export function load(name: string, src: string): void {
  const page = self as unknown as Record<string, Stub>;
  if (page[name]) return;
  const stub: Stub = (page[name] = [] as unknown as Stub);
  "page track identify group alias reset ready on flush optOut use live user set get withdraw from"
    .split(" ")
    .map((call) => (stub[call] = (...given: unknown[]) => (stub.push([call, ...given]), stub)));
  // `consent.set` is taken as `set`: no other call has the names of its four.
  stub.consent = stub;
  // A script made this way never holds up the page.
  const script = document.createElement("script");
  script.src = src;
  script.dataset.name = name;
  document.head.append(script);
}
