// How a CMP answers frames: by messages, found by the name of an empty frame of its own.
{
  addEventListener("message", ({ data, source }) => {
    const call = data && data.__tcfapiCall;
    if (!call) return;
    window.__tcfapi(call.command, call.version, (returnValue, success) =>
      source.postMessage({ __tcfapiReturn: { returnValue, success, callId: call.callId } }, "*"),
    );
  });
  window.cmp.half();
  addEventListener("DOMContentLoaded", () => {
    const locator = document.createElement("iframe");
    locator.name = "__tcfapiLocator";
    document.body.append(locator);
  });
}
