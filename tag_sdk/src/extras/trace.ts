import { extend } from "../parts";

interface Options {
  /** Gives the place in a trace that the page is at now, as the site's own tracer has it. */
  of?: () => string | undefined;
}

/** `traceparent` of W3C Trace Context, of the one version that there is. */
const FORM = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

const hex = (bytes: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Sends with each batch where it is in a trace: at the place that the site's tracer tells, else in the trace of the
 * page, if its server named it in `<meta name="traceparent">`, else in one of its own.
 */
extend<Options>(({ settings, options, emit }) => {
  const told = () => {
    try {
      return options.of?.();
    } catch (error) {
      emit("error", error);
    }
  };
  const ofPage = () => document.querySelector<HTMLMetaElement>('meta[name="traceparent"]')?.content;
  settings.headers = () => {
    const known = [told(), ofPage()].find((each) => each && FORM.test(each));
    return { traceparent: known ?? `00-${hex(16)}-${hex(8)}-01` };
  };
});
