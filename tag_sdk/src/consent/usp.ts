import { extend } from "../parts";
import { findApi } from "./frame";

const EVERY = 2000;

/**
 * Reads `__uspapi`: "1", then notice, sale opt-out and contract as Y, N or -. It tells of no changes, so it is asked
 * again while the page is shown.
 */
extend(({ report }) => {
  findApi("__uspapi", (ask) => {
    let last: string | undefined;
    const read = (value: unknown, success: boolean) => {
      const text = (value as { uspString?: unknown } | null)?.uspString;
      if (!success || typeof text !== "string" || text === last || !/^1[YN-]{3}$/i.test(text)) return;
      last = text;
      const [, notice, optOut] = text.toUpperCase();
      // "Did not opt out" counts only where the visitor was told that they could.
      const refused = optOut === "Y" || (optOut === "N" && notice === "N");
      report(refused ? { sale_or_share: false } : {}, { uspString: text });
    };
    const look = () => document.visibilityState === "visible" && ask("getUSPData", read, 1);
    look();
    setInterval(look, EVERY);
  });
});
