// A banner of the site's own.
{
  let report = () => {};
  const decide = (allowed) => {
    sessionStorage.setItem("cmp", String(allowed));
    report({ analytics: allowed, personalization: allowed, advertising: allowed });
  };
  window.cmp = {
    half() {
      window.tagwayConsent = undefined;
    },
    open: () => (window.tagwayConsent = (given) => {
      report = given;
      if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp") === "true");
    }),
    grant: () => decide(true),
    refuse: () => decide(false),
  };
  if (sessionStorage.getItem("cmp")) cmp.open();
}
