// Didomi, which reads its two lists when it has loaded.
{
  const purposes = ["cookies", "measure_content_performance", "market_research", "select_basic_ads", "create_ads_profile",
    "select_personalized_ads", "measure_ad_performance", "create_content_profile", "select_personalized_content"];
  const stand = (allowed, asking) => {
    window.Didomi = {
      shouldUserStatusBeCollected: () => asking,
      getCurrentUserStatus: () => ({ purposes: Object.fromEntries(purposes.map((id) => [id, { id, enabled: allowed }])) }),
    };
    for (const ready of (window.didomiOnReady || []).splice(0)) ready(window.Didomi);
    for (const { event, listener } of window.didomiEventListeners || []) if (event === "consent.changed") listener();
  };
  const decide = (allowed) => {
    sessionStorage.setItem("cmp", String(allowed));
    stand(allowed, false);
  };
  window.cmp = {
    half() {
      window.Didomi = {};
      for (const { listener } of window.didomiEventListeners || []) listener();
    },
    open: () => stand(true, true),
    grant: () => decide(true),
    refuse: () => decide(false),
  };
  if (sessionStorage.getItem("cmp")) addEventListener("load", () => decide(sessionStorage.getItem("cmp") === "true"));
}
