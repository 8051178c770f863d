// Usercentrics, version 2.
{
  const services = (allowed) =>
    ["essential", "functional", "marketing"].map((categorySlug) => ({
      name: categorySlug, categorySlug, consent: { status: categorySlug === "essential" || allowed },
    }));
  const decide = (allowed) => {
    sessionStorage.setItem("cmp", String(allowed));
    window.UC_UI = { isInitialized: () => true, isConsentRequired: () => false, getServicesBaseInfo: () => services(allowed) };
    dispatchEvent(new CustomEvent("UC_UI_CMP_EVENT", { detail: { type: allowed ? "ACCEPT_ALL" : "DENY_ALL" } }));
  };
  window.cmp = {
    half() {
      window.UC_UI = { isInitialized: () => { throw new Error("not yet"); }, getServicesBaseInfo: () => services(true) };
      dispatchEvent(new Event("UC_UI_INITIALIZED"));
    },
    open() {
      window.UC_UI = { isInitialized: () => true, isConsentRequired: () => true, getServicesBaseInfo: () => services(true) };
      dispatchEvent(new CustomEvent("UC_UI_CMP_EVENT", { detail: { type: "CMP_SHOWN" } }));
    },
    grant: () => decide(true),
    refuse: () => decide(false),
  };
  if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp") === "true");
}
