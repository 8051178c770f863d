/** Named JSON values of one write key in localStorage. Every failure (blocked, full, broken) reads as "not there". */
export interface Storage {
  read<T>(name: string): T | undefined;
  write(name: string, value: unknown): boolean;
  remove(name: string): void;
  names(): string[];
  /** Calls back when another tab changes a value. */
  watch(name: string, changed: () => void): void;
}

export function openStorage(writeKey: string): Storage {
  const prefix = `tagway.${writeKey}.`;
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch {
      return undefined;
    }
  };
  return {
    read: <T>(name: string) =>
      attempt(() => (JSON.parse(localStorage.getItem(prefix + name) || "null") as T | null) ?? undefined),
    write: (name, value) => !!attempt(() => (localStorage.setItem(prefix + name, JSON.stringify(value)), true)),
    remove: (name) => attempt(() => localStorage.removeItem(prefix + name)),
    names: () =>
      attempt(() =>
        Object.keys(localStorage)
          .filter((key) => key.startsWith(prefix))
          .map((key) => key.slice(prefix.length)),
      ) ?? [],
    watch: (name, changed) =>
      // A null key means that the whole storage was cleared.
      addEventListener("storage", ({ key }) => (key === null || key === prefix + name) && changed()),
  };
}
