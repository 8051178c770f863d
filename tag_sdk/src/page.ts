/** Reports page views: the first, and each navigation that the site makes inside the page. */
export interface Pages {
  /** Where the visitor was before this address. */
  before(): string;
  /** Reports a view that navigation has announced; events of the new address must not come before it. */
  settle(): void;
  /** Tells that a view of this address has been reported, so it is not reported again by itself. */
  seen(): void;
}

interface Navigation {
  addEventListener(
    name: "currententrychange",
    listener: (event: { navigationType: string | null; from: { url: string | null } }) => void,
  ): void;
}

// `#/…` and `#!/…` are addresses of routers; any other hash is a place on the same page.
const addressOf = ({ pathname, search, hash }: Location | URL) => pathname + search + (/^#!?\//.test(hash) ? hash : "");
// Sites keep filters and scroll state with replaceState: only another path is another page.
const pathOf = (url: Location | URL) => addressOf(url).replace(url.search, "");

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
    if (viewed !== addressOf(location)) view();
  };
  // A short wait lets the site set its title, and counts a push with a replace after it as one view.
  const announce = () => {
    follow();
    if (automatic && announced === undefined && viewed !== addressOf(location)) announced = setTimeout(settle, 20);
  };
  const moved = (replaced: boolean, before: string) => {
    if (replaced && pathOf(location) === pathOf(new URL(before))) follow();
    else announce();
  };
  const wrap = (method: "pushState" | "replaceState") => {
    const original = history[method];
    history[method] = function (this: History, ...rest: Parameters<History["pushState"]>) {
      const before = location.href;
      original.apply(this, rest);
      moved(method === "replaceState", before);
    };
  };
  const { navigation } = self as { navigation?: Navigation };
  if (navigation) {
    // It tells of every navigation inside the page, and nothing of the page's has to be replaced.
    navigation.addEventListener("currententrychange", ({ navigationType, from }) =>
      moved(navigationType === "replace" || !navigationType, from.url ?? current),
    );
  } else {
    wrap("pushState");
    wrap("replaceState");
    addEventListener("popstate", announce);
    addEventListener("hashchange", announce);
  }
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    viewed = "";
    announce();
  });
  announce();
  return { before: () => previous, settle, seen: () => void (viewed = addressOf(location)) };
}
