// The US Privacy API. It tells of no changes.
{
  let uspString;
  window.__uspapi = (command, version, callback) => callback({ version: 1, uspString }, command === "getUSPData" && !!uspString);
  window.cmp = { say: (text) => (uspString = text) };
}
