import type { Notices } from "../types/index";
import type { Emit } from "./transport";

type Listener = (notice: never) => void;

/** Who listens to what. A listener that throws is reported to the `error` listeners and stops nobody else. */
export function openListeners(): { on(name: keyof Notices, listener: Listener): void; emit: Emit } {
  const listeners: Partial<Record<keyof Notices, Listener[]>> = {};
  const emit: Emit = (name, notice) => {
    for (const listener of listeners[name] ?? []) {
      try {
        listener(notice as never);
      } catch (error) {
        if (name !== "error") emit("error", error);
      }
    }
  };
  return { on: (name, listener) => void (listeners[name] ??= []).push(listener), emit };
}
