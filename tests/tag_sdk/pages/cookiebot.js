// Cookiebot's banner.
{
  const decide = (allowed) => {
    sessionStorage.setItem("cmp", String(allowed));
    const consent = { necessary: true, preferences: allowed, statistics: allowed, marketing: allowed };
    window.Cookiebot = { consent, hasResponse: true, consented: allowed, declined: !allowed };
    dispatchEvent(new Event(allowed ? "CookiebotOnAccept" : "CookiebotOnDecline"));
    dispatchEvent(new Event("CookiebotOnConsentReady"));
  };
  window.cmp = {
    half() {
      window.Cookiebot = {};
      dispatchEvent(new Event("CookiebotOnConsentReady"));
    },
    open() {
      const consent = { necessary: true, preferences: true, statistics: true, marketing: true };
      window.Cookiebot = { consent, hasResponse: false };
      dispatchEvent(new Event("CookiebotOnConsentReady"));
    },
    grant: () => decide(true),
    refuse: () => decide(false),
  };
  if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp") === "true");
}
