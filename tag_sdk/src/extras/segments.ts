import type { SegmentChange, TokenSource } from "../../types/index";

const QUERY = "subscription($after:String){segmentChanges(after:$after){cursor at kind segmentKey cause}}";

interface Change {
  cursor: string | null;
  at: string;
  kind: "SNAPSHOT_MEMBER" | "SNAPSHOT_END" | "ENTERED" | "EXITED" | "RESYNC";
  segmentKey: string | null;
  cause: unknown;
}

export interface Live {
  open(): void;
  close(): void;
}

/** Follows the visitor's own segments over `graphql-transport-ws`, and resumes after the last change on a new line. */
export function followSegments(host: string, token: TokenSource, listener: (change: SegmentChange) => void): Live {
  let socket: WebSocket | undefined;
  let timer: number | undefined;
  let wanted = false;
  let failures = 0;
  let after: string | null = null;
  let members = new Set<string>();
  let snapshot = new Set<string>();

  const take = ({ cursor, kind, segmentKey, at, cause }: Change) => {
    after = cursor ?? after;
    if (kind === "RESYNC") {
      after = null;
      snapshot = new Set();
    } else if (kind === "SNAPSHOT_MEMBER") snapshot.add(segmentKey ?? "");
    else if (kind === "SNAPSHOT_END") {
      members = snapshot;
      snapshot = new Set();
      listener({ kind: "SNAPSHOT", segments: [...members], at });
    } else if (segmentKey) {
      members[kind === "ENTERED" ? "add" : "delete"](segmentKey);
      listener({ kind, segments: [...members], segmentKey, at, cause });
    }
  };
  const again = () => {
    socket = undefined;
    if (wanted) timer = setTimeout(connect, Math.min(500 * 2 ** failures++, 30_000) * (0.5 + Math.random() / 2));
  };
  async function connect() {
    try {
      const bearer = typeof token === "function" ? await token() : token;
      if (!wanted || socket) return;
      const line = (socket = new WebSocket(host.replace(/^http/, "ws") + "/graphql", "graphql-transport-ws"));
      const say = (message: object) => line.send(JSON.stringify(message));
      line.onopen = () => say({ type: "connection_init", payload: { token: bearer } });
      line.onclose = again;
      line.onmessage = ({ data }) => {
        const { type, payload } = JSON.parse(data as string) as { type: string; payload?: { data?: { segmentChanges?: Change } } };
        if (type === "connection_ack") say({ id: "1", type: "subscribe", payload: { query: QUERY, variables: { after } } });
        else if (type === "ping") say({ type: "pong" });
        else if (type === "next" && payload?.data?.segmentChanges) {
          failures = 0;
          take(payload.data.segmentChanges);
        } else if (type === "error" || type === "complete") line.close();
      };
    } catch {
      again();
    }
  }
  return {
    open() {
      if (wanted) return;
      wanted = true;
      failures = 0;
      void connect();
    },
    close() {
      wanted = false;
      clearTimeout(timer);
      if (socket) {
        socket.onmessage = socket.onclose = null;
        socket.close();
      }
      socket = undefined;
    },
  };
}
