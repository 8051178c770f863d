import { uuid } from "./uuid";
import type { Vault } from "./vault";

export interface Ids {
  anonymousId: string;
  userId?: string;
}

/** Who is here: a random id made on first need, and the site's own id once it has told it. */
export interface Identity {
  ids(): Ids;
  know(userId: string): void;
  become(ids: Ids): void;
  renew(): void;
}

/** With `lasting` false every event has an id of its own, and nothing links it to another. */
export function openIdentity(vault: Vault, lasting: boolean): Identity {
  const save = (ids: Ids): Ids => (lasting && vault.note("identity", ids), ids);
  const ids = (): Ids => vault.look<Ids>("identity") ?? save({ anonymousId: uuid() });
  return {
    ids,
    know: (userId) => void save({ ...ids(), userId }),
    become: save,
    renew: () => void save({ anonymousId: uuid() }),
  };
}
