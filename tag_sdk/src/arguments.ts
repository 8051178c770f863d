import type { Message, Options, Properties } from "../types/index";

/** The calls of analytics.js, whose leading arguments may be left out. */
export type Call = Message["type"];
type Fields = Partial<Message>;

const isText = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number";

/** Reads the arguments of a call into the fields of its message. */
export function readArguments(call: Call, given: unknown[]): { fields: Fields; options: Options } {
  const rest = [...given];
  const texts: string[] = [];
  // A name or id that is not there, as of someone who has not signed in, leaves the rest in their places.
  while (isText(rest[0]) || (rest[0] == null && !texts.length && rest.length > 1)) {
    const text = rest.shift() as string | number | null | undefined;
    if (text != null) texts.push(String(text));
  }
  const [first, second] = texts;
  if (call === "alias") {
    return { fields: { userId: need(first), ...(second && { previousId: second }) }, options: (rest.find(Boolean) ?? {}) as Options };
  }
  const values = (rest[0] ?? {}) as Properties;
  const fields: Fields =
    call === "track"
      ? { event: need(first), properties: values }
      : call === "page"
        ? { ...(second && { category: need(first) }), ...(first && { name: second ?? first }), properties: values }
        : call === "group"
          ? { groupId: need(first), traits: values }
          : { ...(first && { userId: first }), traits: values };
  return { fields, options: (rest[1] ?? {}) as Options };
}

function need(text: string | undefined): string {
  if (!text) throw TypeError("a name or id is missing");
  return text;
}
