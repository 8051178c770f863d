// Routing inside the page: links below /demo change the address and the content without a new load.

export function openRouter(show) {
  const go = (path) => {
    history.pushState(null, "", path);
    show(path, true);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || link.target || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const url = new URL(link.href);
    const inside = url.pathname === "/demo" || url.pathname.startsWith("/demo/");
    if (url.origin !== location.origin || !inside || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    if (url.pathname !== location.pathname) go(url.pathname);
  });
  addEventListener("popstate", () => show(location.pathname, true));
  show(location.pathname, false);
  return go;
}
