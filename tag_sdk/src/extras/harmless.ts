const ATTRIBUTES = ["href", "src", "alt", "title", "hidden", "aria-label", "lang", "width", "height"];
const ADDRESSES = ["href", "src"];

/** Names what a place on the page may be given: nothing that runs, styles or sends; it is looked at, not executed. */
export const harmless: readonly string[] = ATTRIBUTES;

/** Sets an attribute if it is harmless, an address only if it is one of the web's; null takes it away. */
export function setHarmless(element: Element, name: string, value: string | null): void {
  if (!ATTRIBUTES.includes(name)) return;
  if (value === null) element.removeAttribute(name);
  else if (!ADDRESSES.includes(name) || /^https?:$/.test(new URL(value, location.href).protocol))
    element.setAttribute(name, value);
}
