import type { Message, Notices } from "../../types/index";
import { extend, type Past } from "../parts";

const STYLE = `
:host { all: initial }
section { position: fixed; inset: auto 0 0 auto; z-index: 2147483647; width: min(28rem, 100vw); max-height: 60vh; overflow: auto;
  font: 12px/1.5 system-ui, sans-serif; color: #1b1b1f; background: #fff; border: 1px solid #c6c6d0; box-shadow: 0 4px 24px #0003 }
header { position: sticky; top: 0; display: flex; gap: .5rem; padding: .5rem; background: #1b1b4f; color: #fff }
header span { flex: 1 }
ol { margin: 0; padding: 0; list-style: none }
li { padding: .25rem .5rem; border-top: 1px solid #e4e4ec; overflow-wrap: anywhere }
b { display: inline-block; min-width: 8rem; font-weight: 600 }
button { font: inherit }`;
const MOST_LINES = 200;

/**
 * Shows each event as it is made, what consent decided, and what the gateway answered; for `?tagway_debug`, until it
 * is closed. The page's own policies hold: no inline style, no markup.
 */
extend(({ tagway, past }) => {
  sessionStorage.setItem("tagway_debug", "1");
  const host = document.createElement("tagway-preview");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  shadow.adoptedStyleSheets = [sheet];
  const make = <Name extends keyof HTMLElementTagNameMap>(name: Name, text: string, parent: Node) => {
    const element = document.createElement(name);
    element.textContent = text;
    parent.appendChild(element);
    return element;
  };
  const section = make("section", "", shadow);
  const header = make("header", "", section);
  const state = make("span", "", header);
  const close = make("button", "Close", header);
  const list = make("ol", "", section);
  const lines = new Map<string, HTMLElement>();
  const waiting = new Set<string>();

  const line = (title: string, text: string) => {
    const item = make("li", "", list);
    make("b", title, item);
    const answer = make("span", text, item);
    if (list.childElementCount > MOST_LINES) list.firstElementChild?.remove();
    item.scrollIntoView({ block: "nearest" });
    return answer;
  };
  const showConsent = (consent: Notices["consent"]) => {
    const named = Object.entries(consent).map(([purpose, its]) => `${purpose} ${its}`);
    const gpc = (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl ? " · GPC honoured" : "";
    state.textContent = `tagway ${tagway.version} · ${named.join(", ")}${gpc}`;
  };
  const showMessage = ({ messageId, type, event, name, context }: Message) => {
    const allowed = Object.entries(context.consent.categoryPreferences).flatMap(([purpose, yes]) => (yes ? [purpose] : []));
    const decision = allowed.length ? `consent: ${allowed.join(", ")} · on its way` : "held: no consent yet";
    lines.set(messageId, line(event ?? (name ? `${type} ${name}` : type), decision));
    waiting.add(messageId);
  };
  const show = ([kind, notice]: Past[number]) => {
    if (kind === "consent") showConsent(notice);
    else if (kind === "message") showMessage(notice);
    else if (kind === "drop") {
      line("dropped", `${notice.count} by ${notice.reason}${notice.status ? ` (${notice.status})` : ""}`);
      if (notice.reason !== "consent") return;
      for (const id of waiting) {
        const answer = lines.get(id);
        if (answer) answer.textContent = "dropped: consent refused";
      }
      waiting.clear();
    } else if (kind === "results") {
      for (const { message_id: id, outcome, reason } of notice) {
        waiting.delete(id);
        const answer = lines.get(id) ?? line("statement", "");
        answer.textContent = reason ? `${outcome}: ${reason}` : outcome;
      }
    }
  };
  showConsent(tagway.consent.get());
  past.forEach(show);
  tagway.on("message", (notice) => show(["message", notice]));
  tagway.on("results", (notice) => show(["results", notice]));
  tagway.on("drop", (notice) => show(["drop", notice]));
  tagway.on("consent", (notice) => show(["consent", notice]));
  tagway.on("error", (error) => line("error", String(error)));
  close.addEventListener("click", () => {
    sessionStorage.removeItem("tagway_debug");
    host.remove();
  });
  document.documentElement.append(host);
});
