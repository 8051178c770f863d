import type { Purpose } from "../../types/index";
import type { Said } from "../parts";

/** For each purpose of ours, what must all be granted at the source. Purposes that are left out are not its business. */
export type Mapping<Name> = Partial<Record<Purpose, Name[]>>;

/** Reads a source through its mapping. Whatever is not clearly granted is refused, an empty list too. */
export function readMapping<Name>(mapping: Mapping<Name>, granted: (name: Name) => unknown): Said {
  const said: Said = {};
  for (const [purpose, names] of Object.entries(mapping) as [Purpose, Name[]][])
    said[purpose] = names.length > 0 && names.every((name) => granted(name) === true);
  return said;
}

const STORE_AND_ACCESS = 1;
/** Purposes of the TCF: measuring content and audiences; personalised content; advertising in full. */
const TCF_PURPOSES: Mapping<number> = { analytics: [8, 9], personalization: [5, 6], advertising: [2, 3, 4, 7] };

/** A mapping of TCF purposes, each of which needs the purpose of storing and access too: events carry an id. */
export function tcfMapping(purposes: Mapping<number> = TCF_PURPOSES): Mapping<number> {
  const mapping: Mapping<number> = {};
  for (const [purpose, ids] of Object.entries(purposes) as [Purpose, number[]][])
    mapping[purpose] = ids.length ? [STORE_AND_ACCESS, ...ids] : [];
  return mapping;
}
