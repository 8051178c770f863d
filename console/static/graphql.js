// The two ways to the gateway: one question over HTTP, and subscriptions over one `graphql-transport-ws` line.

export class Refused extends Error {}

/** Asks one query or mutation. Throws `Refused` with the gateway's own words. */
export async function ask(key, query, variables = {}) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", Authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
    credentials: "omit",
  });
  const answer = await response.json().catch(() => ({}));
  const error = answer.errors?.[0]?.message ?? answer.message;
  if (error || !answer.data) throw new Refused(error ?? `The gateway answered ${response.status}.`);
  return answer.data;
}

const LONGEST_WAIT = 15_000;
// Codes after which another try with the same key cannot end differently.
const FINAL = [4401, 4403];

/** One line that reconnects by itself; each subscription starts again with what `variables()` then gives. */
export class Line {
  #subscriptions = new Map();
  #socket;
  #ready = false;
  #tries = 0;
  #next = 1;
  #timer;

  constructor(payload, onstate) {
    this.payload = payload;
    this.onstate = onstate;
  }

  open() {
    this.onstate("connecting");
    const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/graphql", "graphql-transport-ws");
    this.#socket = socket;
    socket.onopen = () => this.#say({ type: "connection_init", payload: this.payload });
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => {
      this.#ready = false;
      if (FINAL.includes(code)) return this.onstate("refused");
      this.onstate("waiting");
      this.#timer = setTimeout(() => this.open(), Math.min(500 * 2 ** this.#tries++, LONGEST_WAIT) * (0.5 + Math.random() / 2));
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#subscriptions.clear();
    if (this.#socket) this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket?.close();
    this.onstate("closed");
  }

  /** Starts a subscription; returns a way to stop it. `next` gets the data, `failed` the reason it ended. */
  subscribe(query, next, { variables = () => ({}), failed = () => {} } = {}) {
    const id = String(this.#next++);
    this.#subscriptions.set(id, { query, next, variables, failed });
    if (this.#ready) this.#start(id);
    return () => {
      if (this.#subscriptions.delete(id) && this.#ready) this.#say({ id, type: "complete" });
    };
  }

  #start(id) {
    const { query, variables } = this.#subscriptions.get(id);
    this.#say({ id, type: "subscribe", payload: { query, variables: variables() } });
  }

  #say(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #hear({ type, id, payload }) {
    const subscription = this.#subscriptions.get(id);
    if (type === "connection_ack") {
      this.#ready = true;
      this.#tries = 0;
      this.onstate("open");
      for (const each of this.#subscriptions.keys()) this.#start(each);
    } else if (type === "ping") this.#say({ type: "pong" });
    else if (type === "next" && payload.data) subscription?.next(payload.data);
    else if (type === "error" || type === "complete") {
      this.#subscriptions.delete(id);
      subscription?.failed(payload?.[0]?.message ?? "The subscription ended.");
    }
  }
}
