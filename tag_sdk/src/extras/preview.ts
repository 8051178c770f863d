import type { Message, Notices } from "../../types/index";
import { extend, type Past } from "../parts";

const STYLE = `
:host { all: initial }
* { box-sizing: border-box }
section { position: fixed; inset: auto 0 0 auto; z-index: 2147483647; width: min(34rem, 100vw); max-height: 60vh; overflow: auto;
  font: 12px/1.5 system-ui, sans-serif; color: #1b1b1f; background: #fff; border: 1px solid #c6c6d0; box-shadow: 0 4px 24px #0003 }
header { position: sticky; top: 0; display: flex; gap: .5rem; align-items: start; padding: .5rem; background: #1b1b4f; color: #fff }
header ul { flex: 1; display: flex; flex-wrap: wrap; gap: .25rem .75rem; margin: 0; padding: 0; list-style: none }
header li::before { content: "● "; color: #b9b9c9 }
header .granted::before { color: #6fdc8c }
header .denied::before { color: #ff8389 }
details { padding: .25rem .5rem; border-top: 1px solid #e4e4ec; overflow-wrap: anywhere }
summary { display: grid; grid-template-columns: 5fr 4fr 4fr; gap: 0 .75rem; cursor: pointer }
summary b { font-weight: 600 }
summary span + span { color: #5b5b6b }
summary .accepted, summary .duplicate { color: #0e6027 }
summary .dropped, summary .invalid { color: #a2191f }
pre { margin: .25rem 0; padding: .5rem; white-space: pre-wrap; background: #f4f4f8 }
button { font: inherit; cursor: pointer }
:focus-visible { outline: 2px solid #4589ff; outline-offset: -2px }
@media (max-width: 30rem) { summary { grid-template-columns: 1fr auto } summary b { grid-column: 1 / -1 } }`;
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
  section.ariaLabel = "Preview of the tag";
  const header = make("header", "", section);
  const states = make("ul", "", header);
  const close = make("button", "Close", header);
  const list = make("div", "", section);
  const lines = new Map<string, ReturnType<typeof line>>();
  const waiting = new Set<string>();

  const line = (title: string, decision = "", about?: unknown) => {
    const item = make("details", "", list);
    const summary = make("summary", "", item);
    make("b", title, summary);
    const parts = { decision: make("span", decision, summary), answer: make("span", "", summary) };
    make("pre", JSON.stringify(about, null, 1) ?? "Nothing more is known of it here.", item);
    if (list.childElementCount > MOST_LINES) list.firstElementChild?.remove();
    item.scrollIntoView({ block: "nearest" });
    return parts;
  };
  const answer = ({ answer }: ReturnType<typeof line>, text: string) => {
    answer.textContent = text;
    answer.className = text.split(/[_: ]/)[0] ?? "";
  };
  const showConsent = (consent: Notices["consent"]) => {
    states.textContent = "";
    for (const [purpose, state] of Object.entries(consent)) make("li", `${purpose} ${state}`, states).className = state;
    if ((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) make("li", "GPC honoured", states);
  };
  const showMessage = (message: Message) => {
    const { messageId, type, event, name, context } = message;
    const allowed = Object.entries(context.consent.categoryPreferences).flatMap(([purpose, yes]) => (yes ? [purpose] : []));
    const shown = line(event ?? (name ? `${type} ${name}` : type), allowed.join(", ") || "held: no consent yet", message);
    if (allowed.length) answer(shown, "on its way");
    lines.set(messageId, shown);
    waiting.add(messageId);
  };
  const show = ([kind, notice]: Past[number]) => {
    if (kind === "consent") {
      showConsent(notice);
      const allowed = Object.entries(notice).flatMap(([purpose, state]) => (state === "granted" ? [purpose] : []));
      for (const id of waiting) {
        const shown = lines.get(id);
        if (shown && allowed.length && !shown.answer.textContent) {
          shown.decision.textContent = allowed.join(", ");
          answer(shown, "on its way");
        }
      }
    } else if (kind === "message") showMessage(notice);
    else if (kind === "drop") {
      const { reason, status, count, name, messageId = "" } = notice;
      const shown = lines.get(messageId) ?? line(name ?? `${count} given up`);
      answer(shown, `dropped: ${reason}${status ? ` ${status}` : ""}`);
      waiting.delete(messageId);
      // Without a name it was all that waited.
      if (reason !== "consent" || name) return;
      for (const id of waiting) {
        const shown = lines.get(id);
        if (!shown) continue;
        shown.decision.textContent = "refused";
        answer(shown, "dropped by consent");
      }
      waiting.clear();
    } else if (kind === "results") {
      for (const { message_id: id, outcome, reason } of notice) {
        waiting.delete(id);
        answer(lines.get(id) ?? line("statement on consent"), reason ? `${outcome}: ${reason}` : outcome);
      }
    }
  };
  showConsent(tagway.consent.get());
  past.forEach(show);
  tagway.on("message", (notice) => show(["message", notice]));
  tagway.on("results", (notice) => show(["results", notice]));
  tagway.on("drop", (notice) => show(["drop", notice]));
  tagway.on("consent", (notice) => show(["consent", notice]));
  tagway.on("error", (error) => answer(line("error"), `invalid: ${error as string}`));
  close.addEventListener("click", () => {
    sessionStorage.removeItem("tagway_debug");
    host.remove();
  });
  document.documentElement.append(host);
});
