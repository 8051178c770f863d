// The operator's secret key: kept for this tab only. In development it may come in the address, `#key=…`.

const NAME = "tagway.secret_key";

export function readKey() {
  const given = /^#key=(.+)$/.exec(location.hash);
  if (given) {
    keepKey(decodeURIComponent(given[1]));
    // Out of the address at once, so that it does not end in a bookmark or the history.
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(NAME);
}

export function keepKey(key) {
  sessionStorage.setItem(NAME, key);
}

export function dropKey() {
  sessionStorage.removeItem(NAME);
}
