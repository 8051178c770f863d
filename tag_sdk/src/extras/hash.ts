import type { Hashes } from "../../types/index";
import { extend } from "../parts";

/** SHA-256 in hex, the form in which the gateway joins hashed identifiers with plain ones. */
async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Hashes e-mail addresses and phone numbers in the browser, so that they never leave it. Needs a secure origin. */
extend(({ tagway }) => {
  const hashes: Hashes = {
    email: (address) => digest(address.trim().toLowerCase()),
    phone(number) {
      // The trunk zero, as in "+49 (0)30 …", is not dialled with a country.
      const e164 = number.trim().replace(/^00/, "+").replace(/\(0\)|[\s().\-/]/g, "");
      // Without its country a number is somebody else's in another one.
      if (!/^\+[1-9]\d{6,14}$/.test(e164)) return Promise.reject(new TypeError("a phone number needs its country: +49 …"));
      return digest(e164);
    },
    async identify(userId, { email, phone, ...traits }) {
      const hashed = {
        ...traits,
        ...(typeof email === "string" && { email: await hashes.email(email) }),
        ...(typeof phone === "string" && { phone: await hashes.phone(phone) }),
      };
      if (userId === null) tagway.identify(hashed);
      else tagway.identify(userId, hashed);
    },
  };
  return hashes;
});
