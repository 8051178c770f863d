// OneTrust's banner: a half-built object first, defaults in the groups until the visitor has answered.
{
  const listeners = [];
  const decide = (groups) => {
    sessionStorage.setItem("cmp", groups);
    window.OnetrustActiveGroups = groups;
    window.OneTrust = { IsAlertBoxClosed: () => true, OnConsentChanged: (listener) => listeners.push(listener) };
    dispatchEvent(new CustomEvent("OneTrustGroupsUpdated", { detail: groups.split(",") }));
  };
  window.cmp = {
    half() {
      window.OneTrust = {};
      window.OnetrustActiveGroups = ",C0001,C0002,C0003,C0004,";
      dispatchEvent(new CustomEvent("OneTrustGroupsUpdated"));
    },
    open() {
      window.OneTrust = { IsAlertBoxClosed: () => false, OnConsentChanged: (listener) => listeners.push(listener) };
      dispatchEvent(new CustomEvent("OneTrustGroupsUpdated"));
    },
    grant: () => decide(",C0001,C0002,C0003,C0004,"),
    refuse: () => decide(",C0001,"),
  };
  if (sessionStorage.getItem("cmp")) decide(sessionStorage.getItem("cmp"));
}
