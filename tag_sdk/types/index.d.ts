/** What a visitor is asked for. Unanswered is "pending"; pending and denied both read as "no" at the gateway. */
export type Purpose = "functional" | "analytics" | "personalization" | "advertising" | "sale_or_share";
export type ConsentState = "granted" | "denied" | "pending";
export type Consent = Record<Purpose, ConsentState>;
/** A visitor's answer: purposes that it does not name stay as they were. */
export type Choice = Partial<Record<Purpose, boolean | ConsentState>>;

export type Json = string | number | boolean | null | undefined | Date | Json[] | { [name: string]: Json };
export type Properties = { [name: string]: Json };

export interface Options {
  /** Merged over the context that the tag collects. */
  context?: Properties;
  /** When it happened, if not now. */
  timestamp?: Date | string;
}

/** One event as it is sent: the call shape of the Segment HTTP API. */
export interface Message {
  type: "page" | "track" | "identify" | "group" | "alias";
  messageId: string;
  anonymousId: string;
  userId?: string;
  timestamp: string;
  context: Properties & { consent: { categoryPreferences: Record<Purpose, boolean> } };
  event?: string;
  name?: string;
  category?: string;
  groupId?: string;
  previousId?: string;
  properties?: Properties;
  traits?: Properties;
}

/** The gateway's answer for one event; `outcome` is "accepted", "duplicate", "dropped_consent", … */
export interface Result {
  message_id: string;
  outcome: string;
  reason?: string;
}

/** What `on` can listen to. */
export interface Notices {
  /** The gateway answered for a batch. */
  results: Result[];
  /** An event was made (it may still wait for consent). */
  message: Message;
  /** Events were given up: refused by consent, not in the plan, over the bounds, or rejected by the gateway. */
  drop: { reason: "consent" | "plan" | "full" | "rejected"; status?: number; count: number };
  /** The state of consent changed, here or in another tab. */
  consent: Consent;
  /** Something went wrong inside the tag or a listener; the page never sees it thrown. */
  error: unknown;
}

/** One change of the visitor's own segments. `segments` is the whole set after it. */
export interface SegmentChange {
  segments: string[];
  kind: "SNAPSHOT" | "ENTERED" | "EXITED";
  segmentKey?: string;
  at?: string;
  cause?: unknown;
}

/** Gives the short-lived token that the site's own server signed for this visitor. */
export type TokenSource = string | (() => string | Promise<string>);

export interface Tagway {
  readonly version: string;
  page(name?: string, properties?: Properties, options?: Options): Tagway;
  page(category: string, name: string, properties?: Properties, options?: Options): Tagway;
  track(event: string, properties?: Properties, options?: Options): Tagway;
  identify(userId: string | number, traits?: Properties, options?: Options): Tagway;
  identify(traits: Properties, options?: Options): Tagway;
  group(groupId: string | number, traits?: Properties, options?: Options): Tagway;
  alias(userId: string | number, previousId?: string | number, options?: Options): Tagway;
  /** Forgets who is here: the next event belongs to a new anonymous visitor. */
  reset(): Tagway;
  ready(listener: () => void): Tagway;
  on<Name extends keyof Notices>(name: Name, listener: (notice: Notices[Name]) => void): Tagway;
  /** Sends what is queued now, without waiting for a full batch. */
  flush(): Tagway;
  /** Refuses everything until `optOut(false)`, whatever `consent.set` says. */
  optOut(out?: boolean): Tagway;
  /** Live changes of the visitor's own segments; needs the purpose "personalization". Returns a way to stop. */
  live(token: TokenSource, listener: (change: SegmentChange) => void): () => void;
  /** The ids in use; null where consent allows none. */
  user(): { id: string | null; anonymousId: string | null };
  consent: {
    set(choice: Choice): Tagway;
    get(): Consent;
    /** Withdraws the named purposes, or all of them. */
    withdraw(purposes?: Purpose[]): Tagway;
  };
}

/** Fields that may be sent: the sum of their purposes' bits, 0 for those around; with what is inside them. */
export interface AllowedFields {
  [name: string]: number | [purposes: number, fields: AllowedFields];
}

/** What the tracking plan lets be sent. A purpose's bit is its place in `purposes`; the first is always granted. */
export interface AllowList {
  purposes: string[];
  /** Events that the plan does not name are not sent. */
  strict: boolean;
  default: [purposes: number, fields: AllowedFields];
  events: { [name: string]: [purposes: number, fields: AllowedFields] };
  /** Properties of any event. */
  fields: AllowedFields;
  traits: AllowedFields;
  context: AllowedFields;
}

/** What a site sets: in `/tag/{write_key}.js`, or as `data-…` attributes of the script. */
export interface Settings {
  writeKey: string;
  /** Origin of the gateway; default: where the script came from. */
  host: string;
  /** Name of the global; default "tagway". */
  name: string;
  /** State of purposes that the visitor has not answered; default "pending" each. */
  consent: Partial<Consent>;
  /** An event may be kept and sent once any of these is granted. */
  collectFor: Purpose[];
  /** Page views on load and on navigation inside the page; default true. */
  autoPage: boolean;
  /** What may be sent; without it everything is, and the gateway decides. */
  plan?: AllowList;
}

declare global {
  interface Window {
    tagway: Tagway;
  }
}
