import { waitFor } from "./wait";

/** `__tcfapi`, `__gpp` and `__uspapi`, with their arguments as they are; the callback comes where each has it. */
type Api = (...given: unknown[]) => unknown;
type Listener = (value: unknown, success: boolean) => void;
/** One way to talk to an API of the IAB, wherever it stands. `version` is undefined for `__gpp`, which takes none. */
export type Ask = (command: string, listener: Listener, version?: number) => void;

interface Reply {
  callId: string;
  returnValue: unknown;
  success: boolean;
}

/** Finds an API in this window, or in the nearest frame around it that has its locator, and calls back with it. */
export function findApi(name: "__tcfapi" | "__gpp" | "__uspapi", found: (ask: Ask) => void): void {
  const local = () => (self as unknown as Record<string, Api | undefined>)[name];
  waitFor<Ask>(() => {
    if (typeof local() === "function") {
      // Asked anew each time: a stub gives way to the real one.
      return (command, listener, version) =>
        name === "__gpp" ? local()?.(command, listener) : local()?.(command, version, listener);
    }
    const frame = findFrame(`${name}Locator`);
    return frame && askFrame(frame, name);
  }, found);
}

function findFrame(locator: string): Window | undefined {
  for (let frame: Window = self; ; frame = frame.parent) {
    try {
      if ((frame.frames as unknown as Record<string, unknown>)[locator]) return frame;
    } catch {
      // A frame of another origin without this locator.
    }
    if (frame === self.top) return undefined;
  }
}

function askFrame(frame: Window, name: string): Ask {
  const listeners: Record<string, Listener> = {};
  let calls = 0;
  addEventListener("message", ({ data, source }) => {
    if (source !== frame) return;
    try {
      const message = (typeof data === "string" ? JSON.parse(data) : data) as Record<string, Reply> | null;
      const reply = message?.[`${name}Return`];
      if (reply) listeners[reply.callId]?.(reply.returnValue, reply.success);
    } catch {
      // Somebody else's message.
    }
  });
  return (command, listener, version) => {
    const callId = `tagway${++calls}`;
    listeners[callId] = listener;
    frame.postMessage({ [`${name}Call`]: { command, callId, parameter: undefined, ...(version && { version }) } }, "*");
  };
}
