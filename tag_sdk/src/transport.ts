import type { Notices, Result, Settings } from "../types/index";
import type { Vault } from "./vault";
import { byteLength, type Item, type Queue } from "./queue";

const BATCH = 20;
const BATCH_DELAY = 1000;
// Browsers refuse keepalive requests once 64 KiB of bodies are in flight, over all of them; leave room for other scripts.
const KEEPALIVE_BYTES = 60_000;
const LONGEST_BACKOFF = 300_000;
const LONGEST_RETRY_AFTER = 3_600_000;

export type Emit = <Name extends keyof Notices>(name: Name, notice: Notices[Name]) => void;

export interface Transport {
  /** Sends a batch soon: at once when one is full, else within a second. */
  schedule(): void;
  post(): void;
  /** Sends all there is at once, in requests that outlive the page. */
  sendAll(): void;
}

/** Milliseconds that an answer asks to wait, from either form of Retry-After; 0 without one. */
function retryAfter(response: Response): number {
  const value = response.headers.get("Retry-After");
  const wait = isNaN(+value!) ? Date.parse(value!) - Date.now() : +value! * 1000;
  return Math.min(Math.max(wait || 0, 0), LONGEST_RETRY_AFTER);
}

export function openTransport(settings: Settings, queue: Queue, vault: Vault, emit: Emit): Transport {
  const { host, writeKey } = settings;
  let timer: number | undefined;
  let open = 0;
  let keepaliveBytes = 0;
  let failures = 0;
  let notBefore = 0;

  const body = (items: Item[]) =>
    `{"batch":[${items.map((item) => item.text).join()}],"sentAt":"${new Date().toISOString()}","writeKey":${JSON.stringify(writeKey)}}`;

  const wake = (wait: number) => {
    clearTimeout(timer);
    timer = setTimeout(flush, wait);
  };

  /** Milliseconds until the gateway may be asked again. */
  const pause = () => {
    const asked = vault.look<number>("pause")!;
    // A clock that was set back must not make it a long one; without one the comparison is false.
    return Math.max(notBefore, asked < Date.now() + LONGEST_RETRY_AFTER ? asked : 0) - Date.now();
  };

  const retry = (items: Item[], wait: number) => {
    queue.release(items);
    const backoff = Math.min(500 * 2 ** failures++, LONGEST_BACKOFF / 2) * (1 + Math.random());
    notBefore = Date.now() + (wait || backoff);
    // What the gateway asked for holds for the next pages too.
    if (wait) vault.note("pause", notBefore);
  };

  const settle = async (items: Item[], response: Response) => {
    const { status } = response;
    if (status >= 500 || status === 408 || status === 410 || status === 429) return retry(items, retryAfter(response));
    failures = notBefore = 0;
    queue.remove(items);
    if (!response.ok) return emit("drop", { reason: "rejected", status, count: items.length });
    const answer = (await response.json().catch(() => ({}))) as { results?: Result[] };
    emit("results", answer.results ?? []);
  };

  const send = async (items: Item[], text = body(items), bytes = byteLength(text)) => {
    const keepalive = keepaliveBytes + bytes <= KEEPALIVE_BYTES;
    const counted = keepalive ? bytes : 0;
    keepaliveBytes += counted;
    open++;
    try {
      await settle(
        items,
        await fetch(`${host}/v1/batch`, {
          method: "POST",
          // A body of text is sent as plain text and needs no preflight, as long as nothing goes beside it.
          headers: settings.headers?.()!,
          body: text,
          credentials: "omit",
          keepalive,
        }),
      );
    } catch {
      retry(items, 0);
    }
    keepaliveBytes -= counted;
    open--;
    schedule();
  };

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    if (open) return;
    const wait = pause();
    if (wait > 0) return wake(wait);
    const items = queue.take(BATCH, KEEPALIVE_BYTES - 200);
    if (items.length) void send(items);
  }

  function schedule() {
    const waiting = queue.waiting();
    if (!waiting || open) return;
    if (waiting >= BATCH || notBefore) flush();
    else if (!timer) wake(BATCH_DELAY);
  }

  // The outcome of a request that outlives its page stays unknown, so stored events are sent again by the next page:
  // the gateway knows them by their messageId.
  function sendAll() {
    // What is stored can wait for the next page while the gateway asked for a pause.
    if (pause() > 0 && queue.kept()) return;
    for (;;) {
      const items = queue.take(BATCH, KEEPALIVE_BYTES - 200);
      if (!items.length) return;
      const text = body(items);
      const bytes = byteLength(text);
      if ("keepalive" in Request.prototype && keepaliveBytes + bytes <= KEEPALIVE_BYTES) {
        void send(items, text, bytes);
      } else if (navigator.sendBeacon?.(`${host}/beacon/v1/batch?writeKey=${encodeURIComponent(writeKey)}`, text)) {
        queue.remove(items, false);
      } else return queue.release(items);
    }
  }

  addEventListener("online", () => {
    failures = notBefore = 0;
    flush();
  });
  return { schedule, post: flush, sendAll };
}
