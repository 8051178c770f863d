import { uuid } from "./uuid";
import type { Vault } from "./vault";

interface Ids {
  anonymousId: string;
  userId?: string;
}

/** Who is here: a random id made on first need, and the site's own id once it has told it. */
export interface Identity {
  ids(): Ids;
  identify(userId: string): void;
  reset(): void;
}

export function openIdentity(vault: Vault): Identity {
  const save = (ids: Ids): Ids => (vault.set("identity", ids), ids);
  const ids = (): Ids => vault.get<Ids>("identity") ?? save({ anonymousId: uuid() });
  return {
    ids,
    identify: (userId) => void save({ ...ids(), userId }),
    reset: () => void save({ anonymousId: uuid() }),
  };
}
