import type { ConsentSources } from "../../types/index";
import { extend, type Report } from "../parts";
import { waitFor } from "./wait";

/** Hands the page's own function what it can report consent with, as soon as there is such a function. */
extend<ConsentSources["callback"]>(({ options, report }) => {
  const name = options.global ?? "tagwayConsent";
  const find = () => {
    const value = (self as unknown as Record<string, unknown>)[name];
    return typeof value === "function" && (value as (report: Report) => void);
  };
  waitFor(find, (consent) => consent(report));
});
