import type { Message, Purpose } from "../types/index";
import { REFUSAL, type Storage } from "./storage";
import { uuid } from "./uuid";

const MOST_EVENTS = 500;
const MOST_BYTES = 200_000;
// Without locks a living tab renews its record this often, which browsers stretch to a minute in the background …
const HEARTBEAT = 20_000;
// … so an older record counts as left behind.
const LEFT_BEHIND = 150_000;
// How long a claim stands before it is believed: another tab may have written one in the same moment.
const CLAIM_WAIT = 300;
const STILL_HELD = 6000;

/** One event, already written as JSON: it is measured, stored and sent in this form. */
export interface Item {
  text: string;
  bytes: number;
  sending?: boolean;
  /** The adopted record that it stands in. */
  home?: string;
  /** Of a refusal, its own record. */
  refusal?: string;
}

interface StoredQueue {
  at: number;
  texts: string[];
  claim?: string;
}

/** Events waiting to be sent, oldest first. */
export interface Queue {
  put(messages: Message[], first?: boolean): void;
  /** Marks and returns the next items that nobody is sending, at most `count` and about `bytes`, at least one. */
  take(count: number, bytes: number): Item[];
  /** Puts items back after a failed try. */
  release(items: Item[]): void;
  /** Forgets what was sent; a refusal whose answer nobody hears stays kept. */
  remove(items: Item[], answered?: boolean): void;
  /** Forgets all but refusals. */
  empty(): void;
  /** Keeps a refusal until it is answered, with consent or without, for the next pages of the site too. */
  refuse(message: Message): void;
  /** Lowers the consent that waiting events carry to what is granted now, and what they hold; it never raises it. */
  restrict(preferences: Record<Purpose, boolean>): void;
  /** Starts keeping the queue in storage, and takes over what closed tabs have left there. */
  keep(): void;
  /** Takes over what other pages have left: refusals, and with consent all else. */
  seek(): void;
  waiting(): number;
  /** True when everything would survive the end of the page. */
  kept(): boolean;
}

export const byteLength = (text: string): number => new Blob([text]).size;

/**
 * Every tab writes its own record and holds a lock of the same name while it lives, so a record whose lock is free
 * belongs to nobody and is taken over by exactly one other tab. Where there are no locks (pages without TLS), a living
 * tab renews its record, and one that wants another's writes its claim into it and looks whether it stood; should two
 * ever take the same, the gateway knows the events by their ids. `refused` is called when a refusal was answered.
 */
export function openQueue(
  storage: Storage,
  writeKey: string,
  allowed: (message: Message) => Message | undefined,
  dropped: (count: number) => void,
  adopted: () => void,
  refused: () => void,
): Queue {
  const record = `queue.${uuid()}`;
  const locks = navigator.locks as LockManager | undefined;
  const lockName = (name: string) => `tagway.${writeKey}.${name}`;
  let items: Item[] = [];
  let wanted = false;
  let owned = false;
  let stored = false;
  const releases: (() => void)[] = [];
  const release = () => {
    for (const each of releases.splice(0)) each();
    adopting.clear();
    seen.clear();
  };
  const until = () => new Promise<void>((resolve) => releases.push(resolve));
  const adopting = new Set<string>();
  const seen = new Set<string>();

  const pack = (text: string): Item => ({ text, bytes: byteLength(text) });
  const write = (message: Message): Item[] => {
    const kept = allowed(message);
    return kept ? [pack(JSON.stringify(kept))] : [];
  };
  const save = () => {
    let bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    let excess = 0;
    while (items.length - excess > MOST_EVENTS || bytes > MOST_BYTES) bytes -= items[excess++]!.bytes;
    if (excess) dropped(items.splice(0, excess).length);
    if (!owned) return;
    if (!items.length) storage.remove(record);
    stored = !items.length || keep(Date.now());
    for (const name of adopting) if (!items.some((item) => item.home === name)) adopt(name);
  };
  const keep = (at: number) =>
    storage.write(record, { at, texts: items.flatMap((item) => (item.home || item.refusal ? [] : item.text)) });
  // What its last page wrote may reach this process after the lock: a record stays until what it held is answered.
  const adopt = (name: string) => {
    const fresh = storage.read<StoredQueue>(name)?.texts.filter((text) => !seen.has(text)) ?? [];
    items = fresh.map((text): Item => (seen.add(text), { ...pack(text), home: name })).concat(items);
    if (fresh.length) return adopting.add(name), save(), adopted();
    adopting.delete(name);
    storage.remove(name);
  };
  const own = () => {
    for (const item of items) delete item.home;
    save();
  };
  const seek = () => {
    for (const name of storage.names()) {
      if (name.startsWith(REFUSAL)) {
        // Two pages may send the same: the gateway knows it by its id.
        if (items.some((item) => item.refusal === name)) continue;
        items = [{ ...pack(storage.read<string>(name) ?? ""), refusal: name }, ...items];
        adopted();
      } else if (!wanted || !name.startsWith("queue.") || name === record) continue;
      else if (locks) {
        void locks.request(
          lockName(name),
          { ifAvailable: true },
          (lock) => lock && wanted && (adopt(name), until()),
        );
      } else {
        const left = storage.read<StoredQueue>(name);
        if (left && left.at < Date.now() - LEFT_BEHIND) {
          storage.write(name, { ...left, claim: record, at: Date.now() });
          setTimeout(() => {
            if (wanted && storage.read<StoredQueue>(name)?.claim === record) adopt(name), own();
          }, CLAIM_WAIT);
        }
      }
    }
  };
  const start = () => {
    if (!wanted || owned) return;
    const renew = () => (save(), seek());
    const begin = () => {
      owned = true;
      renew();
      // A page that has just ended may hold its lock for a moment longer.
      setTimeout(seek, STILL_HELD);
    };
    if (!locks) {
      const beat = setInterval(renew, HEARTBEAT);
      releases.push(() => {
        clearInterval(beat);
        if (items.length && wanted) keep(0);
      });
      return begin();
    }
    // A frame of an opaque origin has neither locks nor storage.
    locks.request(lockName(record), () => wanted && (begin(), until())).catch(() => {});
  };
  // A held lock would keep the page out of the back/forward cache. Back from it, the record tells what is still ours.
  addEventListener("pagehide", () => {
    // A page may end before it was given its lock: what it holds is then a record whose lock is free.
    if (!owned && wanted && items.length) stored = keep(Date.now());
    owned = false;
    release();
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted || !wanted) return;
    if (stored) {
      const left = new Set(storage.read<StoredQueue>(record)?.texts);
      items = items.filter((item) => left.has(item.text));
    }
    start();
  });

  return {
    put(messages, first = false) {
      const added = messages.flatMap(write);
      items = first ? added.concat(items) : items.concat(added);
      save();
    },
    take(count, bytes) {
      const taken: Item[] = [];
      for (const item of items) {
        if (item.sending) continue;
        bytes -= item.bytes;
        if (taken.length === count || (taken.length && bytes < 0)) break;
        item.sending = true;
        taken.push(item);
      }
      return taken;
    },
    release(taken) {
      for (const item of taken) item.sending = false;
      save();
    },
    remove(taken, answered = true) {
      items = items.filter((item) => !taken.includes(item));
      save();
      for (const { refusal } of taken) if (refusal && answered) storage.remove(refusal), refused();
    },
    empty() {
      items = items.filter((item) => item.refusal);
      wanted = owned = stored = false;
      storage.remove(record);
      release();
    },
    refuse(message) {
      const text = JSON.stringify(message);
      const refusal = REFUSAL + message.messageId;
      storage.write(refusal, text);
      items.push({ ...pack(text), refusal });
    },
    restrict(preferences) {
      own();
      items = items.filter((item) => {
        const message = JSON.parse(item.text) as Message;
        const carried = message.context.consent.categoryPreferences;
        for (const purpose in carried) carried[purpose as Purpose] &&= preferences[purpose as Purpose];
        return Object.assign(item, write(message)[0] ?? { text: "" }).text;
      });
      save();
    },
    keep() {
      wanted = true;
      start();
    },
    seek,
    waiting: () => items.filter((item) => !item.sending).length,
    kept: () => stored,
  };
}
