// A CMP of the IAB's GPP. Its visitor is in the United States, unless `cmp.tell` says otherwise.
{
  const listeners = [];
  let pingData = { gppVersion: "1.1", cmpStatus: "loading", signalStatus: "not ready", applicableSections: [], parsedSections: {} };
  const tell = (changes, eventName = "signalStatus") => {
    pingData = { ...pingData, ...changes };
    listeners.forEach((listener, listenerId) => listener({ eventName, listenerId, pingData }, true));
  };
  window.__gpp = (command, callback) => {
    if (command === "ping") return callback(pingData, true);
    if (command === "addEventListener") {
      const listenerId = listeners.push(callback) - 1;
      callback({ eventName: "listenerRegistered", listenerId, data: true, pingData }, true);
    }
  };
  const notices = { SaleOptOutNotice: 1, SharingOptOutNotice: 1, TargetedAdvertisingOptOutNotice: 1 };
  const kept = { SaleOptOut: 2, SharingOptOut: 2, TargetedAdvertisingOptOut: 2 };
  const national = (fields) => ({
    signalStatus: "ready", gppString: "DBABLA~BVQqAAAAAgA", applicableSections: [7],
    parsedSections: { usnat: [{ Version: 1, ...notices, ...kept, MspaServiceProviderMode: 2, ...fields }, { Gpc: fields.Gpc ?? false }] },
  });
  window.cmp = { tell, national: (fields) => tell(national(fields)), change: () => tell({ signalStatus: "not ready" }) };
}
