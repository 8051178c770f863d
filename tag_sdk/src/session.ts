import { uuid } from "./uuid";
import type { Vault } from "./vault";

const IDLE = 30 * 60_000;
const LONGEST = 24 * 3_600_000;

interface Session {
  id: string;
  start: number;
  last: number;
}

/** Gives the id of the running session and keeps it alive: a new one after 30 idle minutes or 24 hours. */
export function openSession(vault: Vault, lasting: boolean): { touch(): string | undefined; reset(): void } {
  return {
    touch() {
      if (!lasting) return undefined;
      const now = Date.now();
      const known = vault.get<Session>("session");
      const fresh = known && now - known.last < IDLE && now - known.start < LONGEST;
      const session = fresh ? { ...known, last: now } : { id: uuid(), start: now, last: now };
      vault.set("session", session);
      return session.id;
    },
    reset: () => vault.set("session", null),
  };
}
