import type { Message, Options, Settings } from "../types/index";
import { openConsent } from "./consent";
import { openIdentity } from "./identity";
import { compose, pageContext } from "./message";
import { watchPages } from "./page";
import { openPlan } from "./plan";
import { openQueue } from "./queue";
import { openSession } from "./session";
import { openStorage } from "./storage";
import { type Emit, openTransport } from "./transport";
import { openVault } from "./vault";
import { disown, recall } from "./visitor";

const MOST_HELD = 500;

/** Takes events through the consent gate: refused ones end here, undecided ones wait in memory, allowed ones are sent. */
export function openCollector(settings: Settings, emit: Emit) {
  // Before the queue hears of it: what the end of a page makes known must still be stored and sent.
  const leave = () => {
    pages.settle();
    emit("leave", undefined);
    recalling = false;
    replay();
    transport.sendAll();
  };
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => document.hidden && leave());
  const storage = openStorage(settings);
  const vault = openVault(storage);
  const lasting = settings.storage !== "none";
  const identity = openIdentity(vault, lasting);
  const session = openSession(vault, lasting);
  const queue = openQueue(
    storage,
    settings.writeKey,
    openPlan(settings.plan, emit),
    (count) => emit("drop", { reason: "full", count }),
    () => transport.schedule(),
    // Who has agreed again since is to be heard after it: the gateway takes a refusal to hold from its receipt.
    () => {
      due = true;
      replay();
    },
  );
  const transport = openTransport(settings, queue, vault, emit);
  const consent = openConsent(storage, settings, change);
  let held: Message[] = [];
  let gate = consent.gate();
  let states = consent.get();
  let recalling = false;
  /** A statement on consent is due, ahead of all else. */
  let due = false;
  /** The id that this page began with, where it was reset before consent came. */
  let first: string | undefined;

  const make = (fields: Pick<Message, "type"> & Partial<Message>, options?: Options) =>
    compose(fields, options, { who: identity, consent, session: session.touch(), before: pages.before() });

  const statement = () =>
    make({
      type: "track",
      event: "Consent Preference Updated",
      properties: {},
    });

  /** Hands what waits from one anonymous id to the visitor as known now. */
  function relabel(from: string) {
    const ids = identity.ids();
    const sessionId = session.touch();
    for (const message of held) {
      if (message.anonymousId !== from) continue;
      Object.assign(message, { ...ids, userId: message.userId ?? ids.userId });
      Object.assign(message.context, { sessionId });
    }
  }

  /** Stored ids win over those of this page's memory: another tab or page may have made them first. */
  function begin() {
    const mine = identity.ids();
    const origin = first ?? mine.anonymousId;
    vault.keep();
    queue.keep();
    const known = identity.ids();
    if (lasting && known.anonymousId !== mine.anonymousId) {
      relabel(origin);
      if (origin !== mine.anonymousId) identity.become(mine);
      else if (mine.userId) identity.know(mine.userId);
    }
    if (!settings.serverCookie || !lasting) return;
    const { anonymousId } = identity.ids();
    recalling = true;
    void recall(settings, anonymousId).then((recalled) => {
      if (!recalling) return;
      recalling = false;
      if (gate === "granted" && identity.ids().anonymousId === anonymousId) {
        identity.become({ ...identity.ids(), anonymousId: recalled });
        relabel(anonymousId);
      }
      replay();
    });
  }

  function replay() {
    if (gate !== "granted" || recalling) return;
    if (due) {
      due = false;
      queue.put([statement()], true);
      transport.sendAll();
    }
    const carried = consent.carried();
    for (const message of held) message.context.consent = carried;
    queue.put(held);
    held = [];
    transport.schedule();
  }

  /** Events and ids are gone when this returns; only the withdrawal itself is still on its way. */
  function end(last: Message | undefined) {
    if (held.length) emit("drop", { reason: "consent", count: held.length });
    held = [];
    due = recalling = false;
    first = undefined;
    queue.empty();
    vault.forget();
    if (settings.serverCookie) disown(settings);
    if (!last) return;
    // Of the page where it was said it tells nothing.
    queue.refuse({ ...last, context: { consent: last.context.consent } });
    transport.sendAll();
  }

  function change(local: boolean) {
    const before = gate;
    const previous = states;
    gate = consent.gate();
    states = consent.get();
    // Undecided again is a pause; a grant that turned into a refusal is none, even where another purpose is still open.
    const withdrawn = settings.collectFor.some((purpose) => previous[purpose] === "granted" && states[purpose] === "denied");
    if (gate === "granted") {
      queue.restrict(consent.preferences());
      if (before !== gate) begin();
      due ||= local && consent.tell();
      replay();
    } else if (withdrawn || (gate === "denied" && before !== gate)) {
      const granted = before === "granted" || consent.toldGrant();
      if (granted) vault.keep();
      end(local && granted && consent.tell() ? statement() : undefined);
    }
    emit("consent", states);
  }

  function collect(fields: Pick<Message, "type"> & Partial<Message>, options?: Options) {
    if (gate === "denied") return emit("drop", { reason: "consent", count: 1, name: fields.event ?? fields.type });
    if (fields.type === "page") pages.seen();
    else pages.settle();
    if (fields.type === "identify" && fields.userId) identity.know(fields.userId);
    if (fields.type === "page") fields.properties = { ...pageContext(pages.before()), ...fields.properties };
    if (fields.type === "alias") {
      const { userId, anonymousId } = identity.ids();
      fields.previousId ??= userId ?? anonymousId;
      identity.know(fields.userId ?? anonymousId);
    }
    const message = make(fields, options);
    emit("message", message);
    if (gate === "granted" && !recalling) {
      queue.put([message]);
      transport.schedule();
    } else if (held.push(message) > MOST_HELD) {
      held.shift();
      emit("drop", { reason: "full", count: 1 });
    }
  }

  const pages = watchPages(settings.autoPage, () => collect({ type: "page" }));
  queue.seek();
  if (gate === "granted") begin();
  return {
    consent,
    collect,
    gate: () => gate,
    flush: () => (pages.settle(), transport.post()),
    reset() {
      if (gate !== "granted") first ??= identity.ids().anonymousId;
      identity.renew();
      session.renew();
    },
    ids: () => (gate === "granted" ? identity.ids() : undefined),
  };
}
