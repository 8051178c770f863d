const FIRST_WAIT = 50;
const LONGEST_WAIT = 1000;

/** Calls `found` once `find` returns something; looks now, then ever more rarely. A `find` that throws found nothing. */
export function waitFor<T>(find: () => T | undefined | null | false, found: (it: T) => void): void {
  const look = (wait: number) => {
    let it: T | undefined | null | false;
    try {
      it = find();
    } catch {
      it = undefined;
    }
    if (it) found(it);
    else setTimeout(look, wait, Math.min(wait * 1.5, LONGEST_WAIT));
  };
  look(FIRST_WAIT);
}
