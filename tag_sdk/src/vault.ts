import { CHOICE, REFUSAL, type Storage } from "./storage";

/**
 * What may be kept only with consent. Values live in memory until `keep`, which writes them down;
 * `forget` erases them from memory and storage at once, with all else but the visitor's choice and refusals.
 */
export interface Vault {
  look<T>(name: string): T | undefined;
  note(name: string, value: unknown): void;
  keep(): void;
  forget(): void;
}

export function openVault(storage: Storage): Vault {
  let memory: Record<string, unknown> = {};
  let kept = false;
  return {
    // Storage comes first, so that a sign-in or sign-out in one tab holds in the others.
    look: <T>(name: string) => (kept ? storage.read<T>(name) : undefined) ?? (memory[name] as T | undefined),
    note(name, value) {
      memory[name] = value;
      if (kept) storage.write(name, value);
    },
    keep() {
      kept = true;
      for (const name in memory) {
        if (storage.read(name) === undefined) storage.write(name, memory[name]);
      }
    },
    forget() {
      kept = false;
      memory = {};
      for (const name of storage.names()) if (name !== CHOICE && !name.startsWith(REFUSAL)) storage.remove(name);
    },
  };
}
