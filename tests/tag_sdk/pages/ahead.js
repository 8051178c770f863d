// On "/": waits until others were rendered in advance, and a tag of theirs would have sent, then goes to /next.
const rendered = () => localStorage.getItem("ahead") ?? "";
if (document.prerendering) {
  tagway.track("early");
  localStorage.setItem("ahead", `${rendered()} ${location.pathname}`);
} else if (location.pathname === "/") {
  const go = () => {
    tagway.track("leaving", { rendered: rendered() });
    location.assign("/next");
  };
  const look = (tries) => {
    const ready = rendered().includes("/next") && rendered().includes("/never");
    setTimeout(ready || !tries ? go : () => look(tries - 1), ready ? 1500 : 100);
  };
  look(300);
}
