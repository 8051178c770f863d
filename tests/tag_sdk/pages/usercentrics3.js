// Usercentrics, version 3, which answers with promises.
{
  const details = (allowed, type) => ({
    consent: { required: true, type, status: allowed ? "ALL_ACCEPTED" : "ALL_DENIED" },
    categories: Object.fromEntries(
      ["functional", "marketing"].map((slug) => [slug, { state: allowed ? "ALL_ACCEPTED" : "ALL_DENIED" }]),
    ),
  });
  const stand = (allowed, type) => {
    window.__ucCmp = { isInitialized: async () => true, getConsentDetails: async () => details(allowed, type) };
    dispatchEvent(new CustomEvent("UC_UI_CMP_EVENT", { detail: { type: "SAVE" } }));
  };
  const decide = (allowed) => {
    sessionStorage.setItem("cmp", String(allowed));
    stand(allowed, "EXPLICIT");
  };
  window.cmp = {
    half() {
      window.__ucCmp = { isInitialized: async () => false, getConsentDetails: async () => { throw new Error("not yet"); } };
      dispatchEvent(new Event("UC_UI_INITIALIZED"));
    },
    open: () => stand(true, "IMPLICIT"),
    grant: () => decide(true),
    refuse: () => decide(false),
  };
  if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp") === "true");
}
