import { uuid } from "./uuid";
import type { Vault } from "./vault";

export interface Ids {
  anonymousId: string;
  userId?: string;
}

/** Who is here: a random id made on first need, and the site's own id once it has told it. */
export interface Identity {
  ids(): Ids;
  identify(userId: string): void;
  become(ids: Ids): void;
  reset(): void;
}

/** With `lasting` false every event has an id of its own, and nothing links it to another. */
export function openIdentity(vault: Vault, lasting: boolean): Identity {
  const save = (ids: Ids): Ids => (lasting && vault.set("identity", ids), ids);
  const ids = (): Ids => vault.get<Ids>("identity") ?? save({ anonymousId: uuid() });
  return {
    ids,
    identify: (userId) => void save({ ...ids(), userId }),
    become: save,
    reset: () => void save({ anonymousId: uuid() }),
  };
}
