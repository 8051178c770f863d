// A page with Consent Mode v2, whose banner pushes as `gtag` does: the Arguments object itself.
{
  window.dataLayer = window.dataLayer || [];
  function gtag() { dataLayer.push(arguments); }
  const all = (value) => ({
    ad_storage: value, ad_user_data: value, ad_personalization: value, analytics_storage: value,
    functionality_storage: value, personalization_storage: value, security_storage: "granted",
  });
  const decide = (value) => {
    sessionStorage.setItem("cmp", value);
    gtag("consent", "update", all(value));
  };
  window.cmp = {
    half() {
      dataLayer.push(null, "consent", { event: "consent" }, ["consent"], ["consent", "update"], ["consent", "update", "granted"]);
      gtag("consent", "default", { ...all("granted"), region: ["US-CA"] });
    },
    open: () => gtag("consent", "default", { ...all("denied"), wait_for_update: 20 }),
    grant: () => decide("granted"),
    refuse: () => decide("denied"),
  };
  if (sessionStorage.getItem("cmp")) {
    gtag("consent", "default", all("denied"));
    decide(sessionStorage.getItem("cmp"));
  }
}
