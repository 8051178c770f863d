import type { Tagway, VisitorToken } from "../../types/index";

/** Asks for the visitor's short-lived token: the page's own function, or where the site's server gives one. */
export async function askToken(tagway: Tagway, source: VisitorToken): Promise<string> {
  if (typeof source !== "string") return source();
  const body = JSON.stringify({ anonymousId: tagway.user().anonymousId });
  const response = await fetch(source, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  return ((await response.json()) as { token: string }).token;
}
