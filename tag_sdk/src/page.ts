/** Reports page views: the first, and each navigation that the site makes inside the page. */
export interface Pages {
  /** Where the visitor was before this address. */
  referrer(): string;
  /** Reports a view that navigation has announced; events of the new address must not come before it. */
  settle(): void;
  /** Tells that a view of this address has been reported, so it is not reported again by itself. */
  seen(): void;
}

const address = () => location.pathname + location.search;

export function watchPages(automatic: boolean, view: () => void): Pages {
  let viewed = "";
  let current = location.href;
  let previous = document.referrer;
  let announced: number | undefined;

  const follow = () => {
    if (location.href === current) return;
    previous = current;
    current = location.href;
  };
  const settle = () => {
    if (announced === undefined) return;
    clearTimeout(announced);
    announced = undefined;
    if (viewed !== address()) view();
  };
  // A short wait lets the site set its title, and counts a push with a replace after it as one view.
  const announce = () => {
    follow();
    if (automatic && announced === undefined && viewed !== address()) announced = setTimeout(settle, 20);
  };
  const wrap = (method: "pushState" | "replaceState", counts: (before: string) => boolean) => {
    const original = history[method];
    history[method] = function (this: History, ...rest: Parameters<History["pushState"]>) {
      const before = location.pathname;
      original.apply(this, rest);
      if (counts(before)) announce();
      else follow();
    };
  };
  wrap("pushState", () => true);
  // Sites keep filters and scroll state with replaceState: only another path is another page.
  wrap("replaceState", (before) => location.pathname !== before);
  addEventListener("popstate", announce);
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    viewed = "";
    announce();
  });
  announce();
  return { referrer: () => previous, settle, seen: () => void (viewed = address()) };
}
