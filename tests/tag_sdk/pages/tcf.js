// A CMP of the IAB's TCF, as its specification says it behaves. `cmp` plays its visitor.
{
  const listeners = [];
  let eventStatus, cmpStatus = "loaded", consents = {};
  const data = (listenerId) => ({
    listenerId, eventStatus, cmpStatus, gdprApplies: true, tcfPolicyVersion: 5, tcString: eventStatus && (window.tcStrings?.[consents[1]] ?? "COwnString"),
    purpose: { consents, legitimateInterests: { 2: true, 7: true } }, vendor: { consents: {} }, publisher: { restrictions: {} },
  });
  const tell = () => listeners.forEach((listener, id) => listener(data(id), true));
  const api = (command, version, callback) => {
    if (command !== "addEventListener" || version !== 2) return callback(null, false);
    callback(data(listeners.push(callback) - 1), true);
  };
  const decide = (allowed, status) => {
    window.__tcfapi = api;
    sessionStorage.setItem("cmp", String(allowed));
    consents = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [index + 1, allowed]));
    cmpStatus = "loaded";
    eventStatus = status;
    tell();
  };
  window.cmp = {
    half() {
      window.__tcfapi = (command, version, callback) => callback({ cmpStatus: "stub", gdprApplies: undefined }, true);
      window.__tcfapi = api;
      cmpStatus = "error";
      tell();
    },
    open() {
      cmpStatus = "loaded";
      eventStatus = "cmpuishown";
      tell();
    },
    grant: () => decide(true, "useractioncomplete"),
    refuse: () => decide(false, "useractioncomplete"),
  };
  if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp") === "true", "tcloaded");
}
