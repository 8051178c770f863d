import { extend } from "../parts";

interface Begun {
  at: number;
  fields: Set<EventTarget>;
}

/**
 * Reports what becomes of forms: `form_start`, `form_submit` with the seconds it took, and `form_abandon` as the page
 * is left. How many fields were touched is counted; neither a value nor the name of a field is ever read. A form is
 * named by `data-tagway-form`, its id, name or the path of its action; one with `data-tagway-ignore` is left alone.
 */
extend(({ tagway }) => {
  const begun = new Map<HTMLFormElement, Begun>();
  const nameOf = (form: HTMLFormElement) =>
    form.dataset.tagwayForm ||
    form.getAttribute("id") ||
    form.getAttribute("name") ||
    new URL(form.getAttribute("action") || "", location.href).pathname;
  const end = (event: string, form: HTMLFormElement) => {
    const known = begun.get(form);
    begun.delete(form);
    const seconds = known && Math.round((Date.now() - known.at) / 1000);
    tagway.track(event, { form: nameOf(form), fields: known?.fields.size ?? 0, seconds: seconds ?? 0 });
  };
  document.addEventListener(
    "input",
    (event) => {
      const [field] = event.composedPath();
      const form = (field as HTMLInputElement | undefined)?.form;
      if (!form || !field || form.hasAttribute("data-tagway-ignore")) return;
      let known = begun.get(form);
      if (!known) {
        begun.set(form, (known = { at: Date.now(), fields: new Set() }));
        tagway.track("form_start", { form: nameOf(form) });
      }
      known.fields.add(field);
    },
    true,
  );
  document.addEventListener(
    "submit",
    ({ target }) => {
      if (target instanceof HTMLFormElement && !target.hasAttribute("data-tagway-ignore")) end("form_submit", target);
    },
    true,
  );
  tagway.on("leave", () => {
    for (const form of begun.keys()) end("form_abandon", form);
  });
});
