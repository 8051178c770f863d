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
  /**
   * Events were given up: refused by consent, not in the plan, over the bounds, or rejected by the gateway. One alone has
   * its name, and the id of its `message` where there was one.
   */
  drop: { reason: "consent" | "plan" | "full" | "rejected"; status?: number; count: number; name?: string; messageId?: string };
  /** The state of consent changed, here or in another tab. */
  consent: Consent;
  /** The page is hidden or ends, perhaps to come back: the last moment for an event that is to be sent. */
  leave: undefined;
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

/** For each purpose, what must all be granted at a source. A purpose that is left out is not decided there. */
export type Mapping<Name> = Partial<Record<Purpose, Name[]>>;

/** Where consent can be read, and what each source can be told. Nothing is granted until each in use has spoken. */
export interface ConsentSources {
  /** IAB TCF (`__tcfapi`); with `vendor`, that vendor must be allowed too. */
  tcf: { purposes?: Mapping<number>; vendor?: number };
  /** IAB GPP (`__gpp`): refuses by the sections of the United States, grants by that of Europe. */
  gpp: Record<string, never>;
  /** IAB US Privacy (`__uspapi`): only ever refuses `sale_or_share`. */
  usp: Record<string, never>;
  /** Google Consent Mode v2, read off the data layer. */
  google: { purposes?: Mapping<string>; dataLayer?: string };
  /** Groups as "C0002"; `trustDefaults` takes what stands before an answer for one, where the law allows it. */
  onetrust: { purposes?: Mapping<string>; trustDefaults?: boolean };
  cookiebot: { purposes?: Mapping<string> };
  /** Categories by their slugs; `event` is the window event named at Usercentrics (version 2). */
  usercentrics: { purposes?: Mapping<string>; event?: string };
  didomi: { purposes?: Mapping<string> };
  /** A function of the page, by default `tagwayConsent`, that is given what it reports consent with. */
  callback: { global?: string };
}
export type ConsentSource = keyof ConsentSources;
/** What a source of its own calls with what is granted; what it does not name, it does not decide. */
export type ReportConsent = (choice: Choice) => void;

/** Parts of the tag in files of their own: what each can be told, and what it hands over when it is there. */
export interface Extras {
  /** `scroll_depth` at each step of percent. */
  scroll: { options: { steps?: number[] }; part: void };
  /** `engagement`: seconds that a page was shown, in focus and used within `idle` seconds; not below `least`. */
  engagement: { options: { idle?: number; least?: number }; part: void };
  /** `video_progress` and `audio_progress` at each step of percent. */
  media: { options: { steps?: number[] }; part: void };
  /** Clicks on elements with `data-tagway-event`. */
  clicks: { options: Record<string, never>; part: void };
  /** `outbound_click`; hosts `inside` belong to the site. */
  outbound: { options: { inside?: string[] }; part: void };
  /** `file_download`. */
  downloads: { options: { extensions?: string[] }; part: void };
  /** `form_start`, `form_submit`, `form_abandon`; never a value. */
  forms: { options: Record<string, never>; part: void };
  /** `web_vital`: TTFB, FCP, LCP, CLS and INP of each load. */
  vitals: { options: Record<string, never>; part: void };
  /** Sends with each batch where it is in a trace; `of` gives that place, as the site's own tracer has it. */
  trace: { options: { of?: () => string | undefined }; part: void };
  /** One call for each event of a shop. */
  shop: { options: Record<string, never>; part: Shop };
  /** Turns a data layer's events into calls; without rules, those of Google Analytics 4's e-commerce. */
  datalayer: { options: { dataLayer?: string; rules?: DataLayerRule[] }; part: void };
  /** Hashes e-mail addresses and phone numbers before they leave the browser. */
  hash: { options: Record<string, never>; part: Hashes };
  /** Fills `data-tagway-slot` by segments. */
  slots: { options: { slots: Record<string, (SlotContent & { segment: string })[]>; token: VisitorToken }; part: void };
  /** Fills `data-tagway-picks` with recommendations, by the template inside. */
  picks: { options: { token: VisitorToken; pageType?: string; device?: string }; part: void };
  live: { options: Record<string, never>; part: (token: TokenSource, listener: (change: SegmentChange) => void) => () => void };
}
export type Extra = keyof Extras;

/** Gives the visitor's short-lived token: a function, or the address at which the site's server does (POST). */
export type VisitorToken = string | (() => string | Promise<string>);

export interface Product {
  product_id: string | number;
  name?: string;
  category?: string;
  brand?: string;
  variant?: string;
  price?: number;
  quantity?: number;
  /** Seconds. */
  view_time?: number;
}
export interface Cart {
  products?: Product[];
  /** The sum of the products unless it is given. */
  value?: number;
  /** ISO 4217. */
  currency?: string;
  coupon?: string;
}
export interface Shop {
  productView(product: Product): void;
  addToCart(product: Product): void;
  removeFromCart(product: Product): void;
  checkoutStart(cart: Cart): void;
  /** An order id that was told on this page already is not told again. */
  purchase(order: Cart & { order_id: string | number }): void;
  search(query: string, results?: number): void;
}

/** A value, any of several, or what text has to match (a regular expression) and numbers must be over or under. */
export type Condition = string | number | boolean | (string | number | boolean)[] | { matches?: string; over?: number; under?: number };

/** On an event of the data layer, if all of `when` holds, `track` this name or `identify` the user at a path. */
export interface DataLayerRule {
  /** The event's name. */
  on: Condition;
  /** Paths in the data layer → what their values have to be. */
  when?: Record<string, Condition>;
  /** The name to track; "" is the event's own. */
  track?: string;
  identify?: string;
  /** Names of ours → paths in the data layer, as `ecommerce.items.0.item_id`, or a fixed value. */
  properties?: Record<string, string | { value: Json }>;
}

export interface Hashes {
  email(address: string): Promise<string>;
  /** Rejects a number that has no country. */
  phone(number: string): Promise<string>;
  /** Identifies with `email` and `phone` hashed; a null id names nobody. */
  identify(userId: string | number | null, traits: Properties): Promise<void>;
}

/** What a slot shows. An attribute of null is taken away. */
export interface SlotContent {
  text?: string;
  attributes?: Record<string, string | null>;
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
  /** Fetches an extra, once, and begins it; `ready` gets what it has to offer. */
  use<Name extends Extra>(name: Name, options?: Extras[Name]["options"], ready?: (part: Extras[Name]["part"]) => void): Tagway;
  /** Live changes of the visitor's own segments; needs the purpose "personalization". Returns a way to stop. */
  live(token: TokenSource, listener: (change: SegmentChange) => void): () => void;
  /** The ids in use; null where consent allows none. */
  user(): { id: string | null; anonymousId: string | null };
  consent: {
    set(choice: Choice): Tagway;
    get(): Consent;
    /** Withdraws the named purposes, or all of them. */
    withdraw(purposes?: Purpose[]): Tagway;
    /** Reads consent from a source as well: one that is known by name, or any function that reports it. */
    from<Name extends ConsentSource>(source: Name, options?: ConsentSources[Name]): Tagway;
    from(source: (report: ReportConsent) => void): Tagway;
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
  /** Where the gateway is, path included; default: the folder that the script came from. */
  host: string;
  /** Name of the global; default "tagway". */
  name: string;
  /** State of purposes that the visitor has not answered; default "pending" each. */
  consent: Partial<Consent>;
  /** An event may be kept and sent once any of these is granted. */
  collectFor: Purpose[];
  /** Page views on load and on navigation inside the page; default true. */
  autoPage: boolean;
  /** Sources of consent, and what each is told. */
  consentFrom: Partial<ConsentSources>;
  /** Extras to begin with, and what each is told. */
  extras: { [Name in Extra]?: Extras[Name]["options"] };
  /**
   * Where ids, session and choice are kept once consent is given; default "localStorage". "memory" forgets them with
   * the page; "none" gives every event an id of its own, and no session.
   */
  storage: "localStorage" | "cookie" | "memory" | "none";
  /** Domain of the cookies, to share them between hosts of a site. */
  cookieDomain?: string;
  /** The gateway keeps the anonymous id in a cookie of its own too, for browsers that soon forget what scripts keep. */
  serverCookie?: boolean;
  /** Subresource-integrity values of the parts, by their names. */
  files: Record<string, string>;
  /** What goes with each request of the queue beside its body; the extra `trace` sets it. */
  headers?: () => Record<string, string>;
  /** What may be sent; without it everything is, and the gateway decides. */
  plan?: AllowList;
}

declare global {
  interface Window {
    tagway: Tagway;
  }
}
