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
export function openSession(vault: Vault, lasting: boolean): { touch(): string | undefined; renew(): void } {
  return {
    touch() {
      if (!lasting) return undefined;
      const now = Date.now();
      const known = vault.look<Session>("session");
      const fresh = known && now - known.last < IDLE && now - known.start < LONGEST;
      const session = { ...(fresh ? known : { id: uuid(), start: now }), last: now };
      vault.note("session", session);
      return session.id;
    },
    renew: () => vault.note("session", null),
  };
}
