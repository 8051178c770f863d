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

const MOST_HELD = 500;

/** Takes events through the consent gate: refused ones end here, undecided ones wait in memory, allowed ones are sent. */
export function openCollector(settings: Settings, emit: Emit) {
  const storage = openStorage(settings.writeKey);
  const vault = openVault(storage);
  const identity = openIdentity(vault);
  const session = openSession(vault);
  const queue = openQueue(storage, settings.writeKey, openPlan(settings.plan, emit), (count) => emit("drop", { reason: "full", count }));
  const transport = openTransport(settings.host, settings.writeKey, queue, emit);
  const consent = openConsent(storage, settings, change);
  let held: Message[] = [];
  let gate = consent.gate();

  const make = (fields: Pick<Message, "type"> & Partial<Message>, options?: Options) =>
    compose(fields, options, { identity, consent, session: session.touch(), referrer: pages.referrer() });

  const statement = () =>
    make({
      type: "track",
      event: "Consent Preference Updated",
      properties: {},
    });

  /** Stored ids win over those of this page's memory: another tab may have made them first. */
  function begin() {
    const before = identity.ids();
    vault.keep();
    queue.keep();
    const { anonymousId, userId } = identity.ids();
    if (before.userId && !userId) identity.identify(before.userId);
    for (const message of held) if (message.anonymousId === before.anonymousId) message.anonymousId = anonymousId;
  }

  function replay() {
    const categoryPreferences = consent.preferences();
    for (const message of held) message.context.consent = { categoryPreferences };
    queue.add(held);
    held = [];
    transport.schedule();
  }

  /** Events and ids are gone when this returns; only the withdrawal itself is still on its way, in memory. */
  function end(last: Message | undefined) {
    if (held.length) emit("drop", { reason: "consent", count: held.length });
    held = [];
    queue.clear();
    vault.forget();
    if (!last) return;
    queue.add([last]);
    transport.sendAll();
  }

  function change(local: boolean) {
    const before = gate;
    gate = consent.gate();
    if (gate === "granted") {
      queue.restrict(consent.preferences());
      if (before !== gate) begin();
      if (local) {
        queue.add([statement()], true);
        transport.sendAll();
      }
      replay();
    } else if (before === "granted" || gate === "denied") {
      end(local && before === "granted" ? statement() : undefined);
    }
    emit("consent", consent.get());
  }

  function collect(fields: Pick<Message, "type"> & Partial<Message>, options?: Options) {
    if (gate === "denied") return emit("drop", { reason: "consent", count: 1 });
    if (fields.type === "page") pages.seen();
    else pages.settle();
    if (fields.type === "identify" && fields.userId) identity.identify(fields.userId);
    if (fields.type === "page") fields.properties = { ...pageContext(pages.referrer()), ...fields.properties };
    if (fields.type === "alias") {
      const { userId, anonymousId } = identity.ids();
      fields.previousId ??= userId ?? anonymousId;
      identity.identify(fields.userId ?? anonymousId);
    }
    const message = make(fields, options);
    emit("message", message);
    if (gate === "granted") {
      queue.add([message]);
      transport.schedule();
    } else if (held.push(message) > MOST_HELD) {
      held.shift();
      emit("drop", { reason: "full", count: 1 });
    }
  }

  const pages = watchPages(settings.autoPage, () => collect({ type: "page" }));
  if (gate === "granted") begin();
  return {
    consent,
    collect,
    flush: () => (pages.settle(), transport.flush()),
    reset() {
      identity.reset();
      session.reset();
    },
    ids: () => (gate === "granted" ? identity.ids() : undefined),
  };
}
