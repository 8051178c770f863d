// Small helpers for building the page. Text is always set as text: nothing from the network becomes markup.

/** Makes an element: `make("li", { class: "x", onclick: f }, "text", child)`. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Makes these the children of the list, and leaves alone, with their focus, those that stay. */
export function place(list, children) {
  for (const child of [...list.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, at) => list.children[at] === child || list.insertBefore(child, list.children[at] ?? null));
}

export const byId = (id) => document.getElementById(id);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

/** A time of day; the full date is its tooltip. */
export function timeOfDay(at) {
  const date = new Date(at);
  return make("time", { datetime: at, title: calendar.format(date) }, clock.format(date));
}

export function dateTime(at) {
  return make("time", { datetime: at }, calendar.format(new Date(at)));
}

/** A link to a person's page, shown by the end of the profile id (all ids begin alike). */
export function whoLink(profileId) {
  if (!profileId) return make("span", { class: "who quiet" }, "–");
  return make("a", { class: "who", href: `#people/id/${encodeURIComponent(profileId)}`, title: profileId }, profileId.slice(-8));
}

export const number = new Intl.NumberFormat();

/** Shows or hides the message line of a form. */
export function say(form, text, good = false) {
  const line = form.querySelector(".message");
  line.textContent = text;
  line.hidden = !text;
  line.classList.toggle("good", good);
}
