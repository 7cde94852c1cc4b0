// A person in front of Chromium: answers the login pages until they are back at the app.

import { Authenticator } from "../../clients/node/support/totp.mjs";

export class Person {
  constructor({ email, password }) {
    Object.assign(this, { email, password });
    this.authenticator = undefined;
    /** Screens that were shown, in order; tests empty it. */
    this.screens = [];
  }

  /**
   * Answers screen after screen until `page` is at `origin` again (or closed, for a popup).
   * `look(page, screen)` is called on each screen before it is answered.
   */
  async answer(page, origin, look = async () => {}) {
    for (let turns = 0; turns < 20; turns += 1) {
      if (page.isClosed()) return;
      const url = new URL(page.url());
      if (url.origin === origin) return;
      if (!url.pathname.startsWith("/u/")) {
        await this.#moved(page, url.href);
        continue;
      }
      await page.waitForLoadState("domcontentloaded").catch(() => {});
      const screen = url.pathname.slice(3);
      this.screens.push(screen);
      await look(page, screen);
      await this.#fill(page, screen);
      await Promise.all([this.#moved(page, url.href), page.locator("button[value=default], button[value=accept]").first().click()]).catch(
        (error) => {
          if (!page.isClosed()) throw error;
        },
      );
    }
    throw new Error(`no end after the screens ${this.screens.join(", ")}`);
  }

  /** Waits until the page has left `href`: every screen has an address of its own. */
  async #moved(page, href) {
    await page.waitForURL((url) => url.href !== href, { waitUntil: "commit" }).catch((error) => {
      if (!page.isClosed()) throw new Error(`still at ${href}: ${error.message}`);
    });
  }

  async #fill(page, screen) {
    switch (screen) {
      case "login":
        await page.fill("#username", this.email);
        return page.fill("#password", this.password);
      case "signup":
        await page.fill("#email", this.email);
        return page.fill("#password", this.password);
      case "mfa-otp-enrollment-qr":
      case "mfa-otp-enrollment-code":
        this.authenticator = await readEnrolment(page);
        return page.fill("#code", await this.authenticator.code());
      case "mfa-otp-challenge":
        return page.fill("#code", await this.authenticator.code());
      case "mfa-recovery-code-enrollment":
        return page.check("input[type=checkbox]");
      case "consent":
        return undefined;
      default:
        throw new Error(`nobody told the test what to do on ${page.url()}`);
    }
  }
}

async function readEnrolment(page) {
  const html = await page.content();
  const uri = html.match(/otpauth:\/\/totp\/[^\s"'<>]+/)?.[0];
  if (uri) return Authenticator.fromUri(uri.replaceAll("&amp;", "&"));
  const text = await page.evaluate(() => document.body.textContent.replace(/\s+/g, " "));
  const secret = text.match(/\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b/)?.[0];
  if (!secret) throw new Error(`no secret to be read on ${page.url()}`);
  return new Authenticator({ secret });
}
