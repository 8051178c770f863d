import type { Settings } from "../types/index";

/** The longest that a visitor's first events wait for the gateway to know them again, in ms. */
const PATIENCE = 3000;

/**
 * Has the gateway keep the anonymous id in a cookie of its own, which outlives what browsers let scripts keep, and
 * returns the id that the cookie holds: an older one wins over `anonymousId`. Without an answer it is `anonymousId`.
 */
export async function recall({ host, writeKey }: Settings, anonymousId: string): Promise<string> {
  try {
    const response = await ask(host, { writeKey, anonymousId }, AbortSignal.timeout?.(PATIENCE));
    return ((await response.json()) as { anonymousId?: string }).anonymousId ?? anonymousId;
  } catch {
    return anonymousId;
  }
}

/** Has the gateway take its cookie back. */
export function disown({ host, writeKey }: Settings): void {
  ask(host, { writeKey }).catch(() => {});
}

function ask(host: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${host}/v1/visitor`, {
    method: "POST",
    // As text, which needs no preflight.
    body: JSON.stringify(body),
    credentials: "include",
    keepalive: true,
    signal: signal!,
  });
}
