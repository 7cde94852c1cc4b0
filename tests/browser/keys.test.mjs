// Security keys and the device's own keys, by Chromium's virtual authenticators: what the pages, their script and the server make of
// real ceremonies.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Management, ready } from "../clients/node/support/lockstep.mjs";
import { launch, newWindow, violations } from "./support/chromium.mjs";

const server = ready();
const management = new Management();
let browser, open;

before(async () => {
  browser = await launch({ ignoreCertificates: true });
  for (const factor of await management.get("guardian/factors")) {
    await management.put(`guardian/factors/${factor.name}`, { enabled: factor.name.startsWith("webauthn-") });
  }
  await management.put("guardian/policies", ["all-applications"]);
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

const USB = { protocol: "ctap2", transport: "usb", hasResidentKey: false, hasUserVerification: true, isUserVerified: true };
const TOUCH = { ...USB, hasUserVerification: false, isUserVerified: false };
const RESIDENT = { ...USB, hasResidentKey: true };
const INTERNAL = { ...USB, transport: "internal", hasResidentKey: true };
const SYNCED = { ...INTERNAL, defaultBackupEligibility: true, defaultBackupState: true };

/** A window with a virtual authenticator in it. */
async function withKey(model) {
  open = await newWindow(browser);
  const cdp = await open.context.newCDPSession(open.page);
  await cdp.send("WebAuthn.enable");
  const add = async (more) => {
    const options = { ...more, automaticPresenceSimulation: true };
    return (await cdp.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
  };
  return { page: open.page, cdp, add, id: model && (await add(model)) };
}

const screen = (page) => page.getAttribute("main", "data-screen");
const shown = (page) => page.getAttribute("main", "data-error");
const tags = (page) => page.locator(".tags li").allTextContents();

/** Presses a button and waits for the page that follows. */
async function press(page, selector) {
  await Promise.all([page.waitForEvent("load"), page.click(selector)]);
  // The page asks the browser what it can do, and goes on by itself.
  if (new URL(page.url()).pathname === "/u/mfa-detect-browser-capabilities") await page.waitForURL((url) => !url.pathname.includes("detect"));
  // Applications on localhost are asked for consent, once a person.
  if (new URL(page.url()).pathname === "/u/consent") await press(page, "button[value=accept]");
}
const next = (page) => press(page, "button[value=default]");

async function begin(page, person) {
  await page.context().clearCookies();
  await page.goto(`${server.https}/_dev/playground/login`);
  await page.fill("#username", person.email);
  await page.fill("#password", person.password);
  await next(page);
}

async function enrol(page, person) {
  await begin(page, person);
  assert.equal(await screen(page), "mfa-webauthn-roaming-enrollment");
  await next(page);
  assert.equal(await screen(page), "mfa-webauthn-change-key-nickname", await shown(page));
  await next(page);
  assert.equal(await screen(page), "mfa-webauthn-enrollment-success");
  await next(page);
  assert.equal(new URL(page.url()).pathname, "/_dev/playground");
}

async function ticket(person, factor) {
  const body = { user_id: person.id, factor, allow_multiple_enrollments: true };
  return (await management.post("guardian/enrollments/ticket", body)).ticket_url;
}

describe("a security key", () => {
  for (const [name, model] of Object.entries({ "with a PIN": USB, "with room for keys": RESIDENT })) {
    test(`${name} is enrolled, named, used, and used again for a step-up`, async () => {
      const person = await management.person();
      const { page } = await withKey(model);
      await begin(page, person);
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await violations(page), []);
      await page.fill("#nickname", "Blue key");
      await next(page);
      assert.equal(await screen(page), "mfa-webauthn-enrollment-success");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
      await begin(page, person);
      assert.equal(await screen(page), "mfa-webauthn-roaming-challenge");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
      const [method] = await management.get(`users/${encodeURIComponent(person.id)}/authentication-methods`);
      assert.deepEqual([method.type, method.name], ["webauthn-roaming", "Blue key"]);
    });
  }

  test("without a PIN is refused where the tenant wants its user verified, and taken where not", async () => {
    const person = await management.person();
    const { page } = await withKey(TOUCH);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "required" });
    await begin(page, person);
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "discouraged" });
    await enrol(page, person);
    await begin(page, person);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "preferred" });
  });

  test("whose PIN is not given leaves the page as it was, and works when it is", async () => {
    const person = await management.person();
    const { page, cdp, id } = await withKey(USB);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "required" });
    await enrol(page, person);
    await begin(page, person);
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: id, isUserVerified: false });
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    assert.deepEqual(await violations(page), []);
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: id, isUserVerified: true });
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "preferred" });
  });

  test("of somebody else, or one that was deleted, does not answer", async () => {
    const person = await management.person();
    const { page, cdp, add, id } = await withKey(USB);
    await enrol(page, person);
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
    const other = await add(USB);
    await begin(page, person);
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: other });
  });

  test("is one of two, and either does", async () => {
    const person = await management.person();
    const { page, cdp, add, id } = await withKey(USB);
    await enrol(page, person);
    const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: id });
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
    const second = await add(USB);
    await page.goto(await ticket(person, "webauthn-roaming"));
    await press(page, "main button.main");
    await next(page);
    await page.fill("#nickname", "Second");
    await next(page);
    assert.equal(await screen(page), "mfa-enroll-result");
    await begin(page, person);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: second });
    const third = await add(USB);
    await cdp.send("WebAuthn.addCredential", { authenticatorId: third, credential: credentials[0] });
    await begin(page, person);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
  });

  test("that is enrolled already is not enrolled again", async () => {
    const person = await management.person();
    const { page } = await withKey(USB);
    await enrol(page, person);
    await page.goto(await ticket(person, "webauthn-roaming"));
    await press(page, "main button.main");
    await next(page);
    assert.equal(await shown(page), "webauthn-already-enrolled");
  });

  test("cannot be used in a browser without WebAuthn, and the page says so", async () => {
    const person = await management.person();
    open = await newWindow(browser);
    const { page } = open;
    await page.addInitScript(() => delete window.PublicKeyCredential);
    await begin(page, person);
    await page.waitForSelector("[data-missing]:not([hidden])");
    assert.equal(await page.locator("button[value=default]").count(), 0);
    assert.deepEqual(await violations(page), []);
  });
});

describe("a key of the device", () => {
  for (const [name, model, kept] of [["that stays there", INTERNAL, "hwk"], ["that is copied to others", SYNCED, "swk"]]) {
    test(`${name} is enrolled by a ticket beside a security key, and used`, async () => {
      const person = await management.person();
      const { page, cdp, add, id } = await withKey(USB);
      await enrol(page, person);
      await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
      await add(model);
      await page.goto(await ticket(person, "webauthn-platform"));
      await press(page, "main button.main");
      assert.equal(await screen(page), "mfa-webauthn-platform-enrollment");
      assert.deepEqual(await violations(page), []);
      await next(page);
      await next(page);
      assert.equal(await screen(page), "mfa-enroll-result");
      await begin(page, person);
      // This kind of device is known again, so its key is asked for first.
      assert.equal(await screen(page), "mfa-webauthn-platform-challenge");
      await press(page, "button[value=pick-authenticator]");
      await press(page, "button[value='webauthn-roaming::0']");
      await press(page, "button[value=pick-authenticator]");
      await press(page, "button[value='webauthn-platform::0']");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", kept]);
    });
  }
});

describe("the offer of a key of the device", () => {
  /** Ana's account has a security key; she logs in with it on a device that has an authenticator too. */
  async function offered(model) {
    const person = await management.person();
    const { page, cdp, add, id } = await withKey(USB);
    await enrol(page, person);
    const internal = await add(model);
    const log = async () => {
      // The cookies stay: this is the same browser.
      await page.goto(`${server.https}/_dev/playground/login?prompt=login`);
      await page.fill("#username", person.email);
      await page.fill("#password", person.password);
      await next(page);
      if ((await screen(page)) !== "mfa-webauthn-roaming-challenge") return;
      await next(page);
    };
    return { page, cdp, id, internal, person, log };
  }

  test("is made after another factor, taken, and the key is asked for first from then on", async () => {
    const { page, log, person } = await offered(INTERNAL);
    await log();
    assert.equal(await screen(page), "mfa-webauthn-platform-enrollment");
    assert.deepEqual(await violations(page), []);
    await next(page);
    assert.equal(await screen(page), "mfa-webauthn-change-key-nickname", await shown(page));
    await next(page);
    assert.equal(await screen(page), "mfa-webauthn-enrollment-success");
    await next(page);
    assert.equal(new URL(page.url()).pathname, "/_dev/playground");
    const methods = await management.get(`users/${encodeURIComponent(person.id)}/authentication-methods`);
    assert.deepEqual(methods.map((method) => method.type), ["webauthn-roaming", "webauthn-platform"]);
    await log();
    assert.equal(await screen(page), "mfa-webauthn-platform-challenge");
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
  });

  for (const [button, words, days] of [
    ["snooze-enrollment", "Remind me later", 7],
    ["refuse-add-device", "Not on this device", 365],
  ]) {
    test(`is left by "${words}" for ${days} days`, async () => {
      const { page, log } = await offered(INTERNAL);
      await log();
      assert.equal(await screen(page), "mfa-webauthn-platform-enrollment");
      assert.equal((await page.textContent(`button[value=${button}]`)).trim(), words);
      await press(page, `button[value=${button}]`);
      assert.equal(new URL(page.url()).pathname, "/_dev/playground");
      await log();
      assert.equal(new URL(page.url()).pathname, "/_dev/playground", "not at once again");
      const cookies = await page.context().cookies();
      const { expires } = cookies.find((cookie) => cookie.name === "__Host-auth0-declined");
      assert.ok(expires - Date.now() / 1000 > 364 * 86400, "the browser is known again for a year");
    });
  }

  test("that the person cancels stays, and the login goes on when she leaves it", async () => {
    const { page, cdp, internal, log } = await offered(INTERNAL);
    await log();
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId: internal, isUserVerified: false });
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    assert.deepEqual(await violations(page), []);
    await press(page, "button[value=snooze-enrollment]");
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
  });

  test("is not made on a device without an authenticator", async () => {
    const { page, cdp, internal, log } = await offered(INTERNAL);
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: internal });
    await log();
    assert.equal(new URL(page.url()).pathname, "/_dev/playground");
  });
});
