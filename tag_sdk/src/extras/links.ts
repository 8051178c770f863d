/** Calls back with each link that is followed, by whatever button or key, and never holds the visitor up. */
export function whenFollowed(follow: (link: HTMLAnchorElement, url: URL) => void): void {
  const look = (event: MouseEvent) => {
    // The right button opens a menu.
    if (event.type === "auxclick" && event.button !== 1) return;
    for (const place of event.composedPath()) {
      if (!(place instanceof HTMLAnchorElement) || !place.href) continue;
      const url = new URL(place.href, location.href);
      if (/^https?:$/.test(url.protocol)) follow(place, url);
      return;
    }
  };
  document.addEventListener("click", look, true);
  document.addEventListener("auxclick", look, true);
}
