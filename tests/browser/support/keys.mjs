// What the files about keys and passkeys share: windows with virtual authenticators in them, the playground's login, the tenant's settings.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { CONNECTION, Management, ready } from "../../clients/node/support/lockstep.mjs";
import { launch, newWindow } from "./chromium.mjs";

export const server = ready();
export const management = new Management();

export const USB = { protocol: "ctap2", transport: "usb", hasResidentKey: false, hasUserVerification: true, isUserVerified: true };
export const INTERNAL = { ...USB, transport: "internal", hasResidentKey: true };
export const SYNCED = { ...INTERNAL, defaultBackupEligibility: true, defaultBackupState: true };

/** One window a test; after each it is closed, and must not have complained. */
export function windows() {
  let browser, open;
  before(async () => {
    browser = await launch({ ignoreCertificates: true });
  });
  after(() => browser?.close());
  afterEach(async () => {
    if (!open) return;
    const { complaints, context } = open;
    open = undefined;
    await context.close();
    // A form that comes back is no success, and browsers note that.
    assert.deepEqual(complaints.filter((line) => !line.endsWith("status of 400 ()")), [], "no page complained");
  });
  const window = async (options) => {
    open = await newWindow(browser, options);
    return open.page;
  };
  return {
    window,
    /** A window of a browser without WebAuthn. */
    async windowWithoutKeys() {
      const page = await window();
      await page.addInitScript(() => delete window.PublicKeyCredential);
      return page;
    },
    /** A window with a virtual authenticator in it, which answers at once, or when it is `touch`ed. */
    async withKey(model, { touched = true } = {}) {
      const page = await window();
      const cdp = await open.context.newCDPSession(page);
      await cdp.send("WebAuthn.enable");
      const add = async (more) => {
        const options = { ...more, automaticPresenceSimulation: touched };
        return (await cdp.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
      };
      const id = model && (await add(model));
      const touch = (enabled = true) => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: id, enabled });
      const remove = (authenticatorId) => cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
      return { page, cdp, add, remove, id, touch };
    },
  };
}

export const screen = (page) => page.getAttribute("main", "data-screen");
export const shown = (page) => page.getAttribute("main", "data-error");
/** What the playground's tokens say of the login. */
export const tags = (page) => page.locator(".tags li").allTextContents();
export const path = (page) => new URL(page.url()).pathname;

/** Does something and waits for the page that follows. */
export async function leads(page, act) {
  await Promise.all([page.waitForEvent("load"), act()]);
  // The page asks the browser what it can do, and goes on by itself.
  if (path(page) === "/u/mfa-detect-browser-capabilities") await page.waitForURL((url) => !url.pathname.includes("detect"));
  // Applications on localhost are asked for consent, once a person.
  if (path(page) === "/u/consent") await press(page, "button[value=accept]");
}
export const press = (page, selector) => leads(page, () => page.click(selector));
export const next = (page) => press(page, "button[value=default]");

/** Waits until the browser is back at the application. */
export async function arrives(page) {
  await page.waitForURL((url) => /playground$|consent$/.test(url.pathname));
  if (path(page) === "/u/consent") await press(page, "button[value=accept]");
}

/** Begins a login at the playground, in a browser that nobody knows. */
export async function begin(page) {
  await page.context().clearCookies();
  await page.goto(`${server.https}/_dev/playground/login`);
}

/** Types name and password on the login page. */
export async function password(page, person) {
  await page.fill("#username", person.email);
  await page.fill("#password", person.password);
  await next(page);
}

export async function logIn(page, person) {
  await begin(page);
  await password(page, person);
}

/** Returns what a person has, of one type or of all. */
export async function methods({ id }, type) {
  const all = await management.get(`users/${encodeURIComponent(id)}/authentication-methods`);
  return all.filter((method) => !type || method.type === type);
}

/** Switches these factors on and all others off. */
export async function factors(names, policies = []) {
  for (const { name } of await management.get("guardian/factors")) {
    await management.put(`guardian/factors/${name}`, { enabled: names.includes(name) });
  }
  await management.put("guardian/policies", policies);
}

/** Lets people log in by passkeys; nothing is offered after a login unless a test wants it. */
export async function passkeys(wanted = {}) {
  const [{ id }] = await management.get(`connections?name=${CONNECTION}`);
  const { options } = await management.get(`connections/${id}`);
  options.authentication_methods.passkey = { enabled: true };
  options.passkey_options = {
    challenge_ui: "both", progressive_enrollment_enabled: false, local_enrollment_enabled: false, ...wanted,
  };
  await management.patch(`connections/${id}`, { options });
}
