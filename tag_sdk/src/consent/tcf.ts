import type { ConsentSources } from "../../types/index";
import { extend, type Said } from "../parts";
import { findApi } from "./frame";
import { readMapping, tcfMapping } from "./mapping";

/** The fields of TCData that are read here (IAB CMP API v2). Any of them may be missing. */
interface TCData {
  gdprApplies?: boolean;
  eventStatus?: string;
  cmpStatus?: string;
  tcString?: string;
  purpose?: { consents?: Flags };
  vendor?: { consents?: Flags; disclosedVendors?: Flags };
  publisher?: { restrictions?: Record<string, Record<string, number> | undefined> };
}
type Flags = Record<string, boolean | undefined>;

const NOT_ALLOWED = 0;

/** Reads `__tcfapi`. An open banner is no decision: what was known before holds until the visitor has chosen. */
extend<ConsentSources["tcf"]>(({ options, report }) => {
  const mapping = tcfMapping(options.purposes);
  const undecided = Object.fromEntries(Object.keys(mapping).map((purpose) => [purpose, "pending"])) as Said;
  const granted = ({ purpose, vendor, publisher }: TCData, id: number) => {
    if (purpose?.consents?.[id] !== true) return false;
    if (options.vendor === undefined) return true;
    const disclosed = vendor?.disclosedVendors;
    return (
      vendor?.consents?.[options.vendor] === true &&
      (!disclosed || disclosed[options.vendor] === true) &&
      publisher?.restrictions?.[id]?.[options.vendor] !== NOT_ALLOWED
    );
  };
  findApi("__tcfapi", (ask) =>
    ask(
      "addEventListener",
      (value, success) => {
        const data = value as TCData | null;
        // What a failing CMP has said before no longer holds.
        if (!success || !data || data.cmpStatus === "error") return report(undecided);
        if (data.gdprApplies === false) return report({});
        if (data.gdprApplies !== true || !/^(tcloaded|useractioncomplete)$/.test(data.eventStatus ?? "")) return;
        report(
          readMapping(mapping, (id) => granted(data, id)),
          data.tcString ? { tcString: data.tcString } : undefined,
        );
      },
      2,
    ),
  );
});
