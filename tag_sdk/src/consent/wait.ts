const FIRST_WAIT = 50;
const LONGEST_WAIT = 1000;

/**
 * Calls `found` once `find` returns something; looks now, then ever more rarely. Where either throws, what is there is
 * half built: nothing was found yet.
 */
export function waitFor<T>(find: () => T | undefined | null | false, found: (it: T) => void): void {
  const look = (wait: number) => {
    try {
      const it = find();
      if (it) return found(it);
    } catch {
      // Looked at again below.
    }
    setTimeout(look, wait, Math.min(wait * 1.5, LONGEST_WAIT));
  };
  look(FIRST_WAIT);
}
