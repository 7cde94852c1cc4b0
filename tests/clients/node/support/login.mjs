// Logs a person in on the Universal Login pages.

import { decodeEntities } from "./browser.mjs";
import { Authenticator } from "./totp.mjs";

/** The otpauth address or the secret that an enrolment page shows. */
export function readEnrolment(page) {
  const uri = decodeEntities(page.html).match(/otpauth:\/\/totp\/[^\s"'<>]+/)?.[0];
  if (uri) return Authenticator.fromUri(uri);
  const secret = page.text.match(/\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b/)?.[0];
  return secret && new Authenticator({ secret });
}

/**
 * Walks from an address to the callback, answering every screen for this person.
 * Returns the callback's address and the screens that were shown, in order.
 * The person's `authenticator` and `recoveryCode` are filled in at an enrolment.
 */
export async function walk(browser, address, person, { most = 15 } = {}) {
  const screens = [];
  let page = await browser.open(address);
  while (!(page instanceof URL)) {
    screens.push(page.screen);
    if (screens.length > most) throw new Error(`no end after the screens ${screens.join(", ")}`);
    if (page.status >= 400) throw new Error(`${page.url} answered ${page.status}: ${page.text.slice(0, 500)}`);
    if (screens.at(-1) === screens.at(-2) && page.screen !== "mfa-otp-enrollment-qr") {
      throw new Error(`${page.screen} was shown again: ${page.text.slice(0, 500)}`);
    }
    page = await answer(browser, page, person);
  }
  return { callback: page, screens };
}

async function answer(browser, page, person) {
  switch (page.screen) {
    case "login":
      return browser.submit(page, { username: person.email, password: person.password });
    case "login/identifier":
    case "login-id":
      return browser.submit(page, { username: person.email });
    case "login/password":
    case "login-password":
      return browser.submit(page, { password: person.password });
    case "mfa-otp-enrollment-qr":
    case "mfa-otp-enrollment-code": {
      const authenticator = readEnrolment(page);
      if (!authenticator) throw new Error(`${page.screen} shows no secret: ${page.text}`);
      person.authenticator = authenticator;
      return browser.submit(page, { code: await authenticator.code() });
    }
    case "mfa-recovery-code-enrollment": {
      person.recoveryCode = page.text.match(/\b(?:[A-Z0-9]{4}[ -]){5}[A-Z0-9]{4}\b|\b[A-Z0-9]{24}\b/)?.[0];
      const box = page.forms.flatMap((form) => form.controls).find((control) => control.type === "checkbox");
      return browser.submit(page, { [box.name]: true });
    }
    case "mfa-otp-challenge":
      if (!person.authenticator) throw new Error("a code is asked of someone who has no authenticator");
      return browser.submit(page, { code: await person.authenticator.code() });
    case "mfa-webauthn-roaming-challenge":
    case "mfa-webauthn-platform-challenge":
      if (!person.key) throw new Error("a key is asked of someone who has none");
      return person.key.answer(browser, page);
    case "consent":
      return browser.submit(page, {}, "accept");
    default:
      throw new Error(`nobody told the test what to do on ${page.url}: ${page.text.slice(0, 500)}`);
  }
}
