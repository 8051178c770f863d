import { extend, type Said } from "../parts";
import { findApi } from "./frame";
import { readMapping, tcfMapping } from "./mapping";

interface PingData {
  signalStatus?: string;
  gppString?: string;
  applicableSections?: number[];
  parsedSections?: Record<string, Fields | Fields[] | undefined>;
}
type Fields = Record<string, unknown>;

const TCF_EUROPE = 2;
const NONE_APPLIES = -1;
const NOTICES = ["SaleOptOutNotice", "SharingOptOutNotice", "SharingNotice"];
const SALE_OPT_OUTS = ["SaleOptOut", "SharingOptOut"];
const TARGETING_NOTICE = "TargetedAdvertisingOptOutNotice";
const TARGETING_OPT_OUT = "TargetedAdvertisingOptOut";
/** In notices: not given. In opt-outs and mode fields: the second value. */
const SECOND = 2;

/** True when an opt-out is taken, or "did not opt out" is said where nobody gave the notice of it. */
const refuses = (fields: Fields, optOut: string, notice: string) =>
  fields[optOut] === 1 || (fields[optOut] === SECOND && fields[notice] !== undefined && fields[notice] !== 1);

/**
 * Reads the sections of the United States. They only ever refuse: whether anything is granted without an opt-out is
 * the site's decision. The gateway reads the whole string by itself, so what is missed here is refused there.
 */
function readStates(sections: Fields[]): Said {
  const said: Said = {};
  for (const fields of sections) {
    const wholly =
      fields.Gpc === true ||
      fields.Gpc === 1 ||
      fields.MspaServiceProviderMode === 1 ||
      fields.PersonalDataConsents === SECOND ||
      [fields.KnownChildSensitiveDataConsents].flat().some((value) => value === 1 || value === SECOND) ||
      Object.values(fields).includes(3);
    const targeting = refuses(fields, TARGETING_OPT_OUT, TARGETING_NOTICE) || fields[TARGETING_NOTICE] === SECOND;
    const sale =
      SALE_OPT_OUTS.some((name) => refuses(fields, name, `${name}Notice`)) ||
      NOTICES.some((name) => fields[name] === SECOND);
    if (wholly || targeting) said.advertising = false;
    if (wholly || sale || targeting) said.sale_or_share = false;
  }
  return said;
}

/** Reads the section of Europe. Where it applies but cannot be read, nothing is granted. */
function readEurope({ PurposeConsents: consents }: Fields): Said {
  if (!Array.isArray(consents)) return { analytics: "pending", personalization: "pending", advertising: "pending" };
  return readMapping(tcfMapping(), (id) => consents[id - 1] === true || consents[id - 1] === 1);
}

// A section is a list of its segments, or one object of all their fields.
const fieldsOf = (section: Fields | Fields[] | undefined): Fields =>
  Object.assign({}, ...[section].flat().filter((segment) => segment && typeof segment === "object")) as Fields;

/** Reads `__gpp`, whose data holds only while its signal is ready. */
extend(({ report }) => {
  findApi("__gpp", (ask) => {
    const read = (ping: PingData | undefined) => {
      if (ping?.signalStatus !== "ready") return;
      const { gppString, applicableSections: sections = [] } = ping;
      // Nothing, or 0, means that it is not known yet which law applies.
      if (!sections.length || sections.includes(0)) return;
      const raw = { gppString, gppSid: sections };
      if (sections.includes(NONE_APPLIES)) return report({}, raw);
      const parsed = Object.entries(ping.parsedSections ?? {});
      const states = readStates(parsed.filter(([name]) => name.startsWith("us")).map(([, section]) => fieldsOf(section)));
      report({ ...(sections.includes(TCF_EUROPE) && readEurope(fieldsOf(ping.parsedSections?.tcfeuv2))), ...states }, raw);
    };
    ask("addEventListener", (event) => read((event as { pingData?: PingData } | null)?.pingData));
    // Ready before anybody listened: no event may ever come.
    ask("ping", (ping) => read(ping as PingData | undefined));
  });
});
