// The consent banner. It only speaks to the tag: the tag keeps the answer and obeys it.

const PURPOSES = ["functional", "analytics", "personalization", "advertising", "sale_or_share"];
const REFUSED_BY_SIGNAL = ["advertising", "sale_or_share"];
const byId = (id) => document.getElementById(id);

export function openBanner(tagway) {
  const banner = byId("banner");
  const choices = byId("choices");
  const button = (answer) => banner.querySelector(`[data-answer=${answer}]`);
  const box = (purpose) => choices.querySelector(`[name=${purpose}]`);
  const signal = navigator.globalPrivacyControl === true;
  let opener;

  const choose = (open) => {
    choices.hidden = !open;
    button("save").hidden = !open;
    button("choose").hidden = open;
    button("choose").setAttribute("aria-expanded", open);
  };
  const show = (again) => {
    const consent = tagway().consent.get();
    for (const purpose of PURPOSES) {
      box(purpose).checked = consent[purpose] === "granted";
      box(purpose).disabled = signal && REFUSED_BY_SIGNAL.includes(purpose);
    }
    byId("gpc").hidden = !signal;
    button("withdraw").hidden = !again;
    banner.hidden = false;
    choose(again);
    if (again) box("functional").focus();
  };
  const answers = {
    all: () => tagway().consent.set(Object.fromEntries(PURPOSES.map((purpose) => [purpose, true]))),
    none: () => tagway().consent.set(Object.fromEntries(PURPOSES.map((purpose) => [purpose, false]))),
    save: () => tagway().consent.set(Object.fromEntries(PURPOSES.map((purpose) => [purpose, box(purpose).checked]))),
    withdraw: () => tagway().consent.withdraw(),
  };
  const hide = () => {
    banner.hidden = true;
    opener?.focus();
    opener = undefined;
  };
  banner.onclick = ({ target }) => {
    const answer = target.closest("[data-answer]")?.dataset.answer;
    if (!answer) return;
    if (answer === "choose") {
      choose(true);
      return box("functional").focus();
    }
    answers[answer]();
    hide();
  };
  // Esc leaves an open question open; it is no answer.
  banner.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && opener) hide();
  });
  byId("privacy").onclick = ({ currentTarget }) => {
    opener = currentTarget;
    show(true);
  };
  if (Object.values(tagway().consent.get()).includes("pending")) show(false);
}
