// Security keys and the device's own keys, by Chromium's virtual authenticators: what the pages, their script and the server make of
// real ceremonies.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { violations } from "./support/chromium.mjs";
import {
  INTERNAL, SYNCED, USB, factors, logIn, management, methods, next, password, path, press, screen, server, shown, tags, windows,
} from "./support/keys.mjs";

const { withKey, windowWithoutKeys } = windows();

before(() => factors(["webauthn-roaming", "webauthn-platform"], ["all-applications"]));

const TOUCH = { ...USB, hasUserVerification: false, isUserVerified: false };
const RESIDENT = { ...USB, hasResidentKey: true };

async function enrol(page, person) {
  await logIn(page, person);
  assert.equal(await screen(page), "mfa-webauthn-roaming-enrollment");
  await next(page);
  assert.equal(await screen(page), "mfa-webauthn-change-key-nickname", await shown(page));
  await next(page);
  assert.equal(await screen(page), "mfa-webauthn-enrollment-success");
  await next(page);
  assert.equal(path(page), "/_dev/playground");
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
      await logIn(page, person);
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await violations(page), []);
      await page.fill("#nickname", "Blue key");
      await next(page);
      assert.equal(await screen(page), "mfa-webauthn-enrollment-success");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
      await logIn(page, person);
      assert.equal(await screen(page), "mfa-webauthn-roaming-challenge");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
      const [method] = await methods(person);
      assert.deepEqual([method.type, method.name], ["webauthn-roaming", "Blue key"]);
    });
  }

  test("without a PIN is refused where the tenant wants its user verified, and taken where not", async () => {
    const person = await management.person();
    const { page } = await withKey(TOUCH);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "required" });
    await logIn(page, person);
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "discouraged" });
    await enrol(page, person);
    await logIn(page, person);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "preferred" });
  });

  test("whose PIN is not given leaves the page as it was, and works when it is", async () => {
    const person = await management.person();
    const { page, cdp, id } = await withKey(USB);
    await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "required" });
    await enrol(page, person);
    await logIn(page, person);
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
    const { page, add, remove, id } = await withKey(USB);
    await enrol(page, person);
    await remove(id);
    const other = await add(USB);
    await logIn(page, person);
    await next(page);
    assert.equal(await shown(page), "webauthn-not-allowed");
    await remove(other);
  });

  test("is one of two, and either does", async () => {
    const person = await management.person();
    const { page, cdp, add, remove, id } = await withKey(USB);
    await enrol(page, person);
    const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: id });
    await remove(id);
    const second = await add(USB);
    await page.goto(await ticket(person, "webauthn-roaming"));
    await press(page, "main button.main");
    await next(page);
    await page.fill("#nickname", "Second");
    await next(page);
    assert.equal(await screen(page), "mfa-enroll-result");
    await logIn(page, person);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "pop", "hwk"]);
    await remove(second);
    const third = await add(USB);
    await cdp.send("WebAuthn.addCredential", { authenticatorId: third, credential: credentials[0] });
    await logIn(page, person);
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
    const page = await windowWithoutKeys();
    await logIn(page, person);
    await page.waitForSelector("[data-missing]:not([hidden])");
    assert.equal(await page.locator("button[value=default]").count(), 0);
    assert.deepEqual(await violations(page), []);
  });
});

describe("a key of the device", () => {
  for (const [name, model, kept] of [["that stays there", INTERNAL, "hwk"], ["that is copied to others", SYNCED, "swk"]]) {
    test(`${name} is enrolled by a ticket beside a security key, and used`, async () => {
      const person = await management.person();
      const { page, add, remove, id } = await withKey(USB);
      await enrol(page, person);
      await remove(id);
      await add(model);
      await page.goto(await ticket(person, "webauthn-platform"));
      await press(page, "main button.main");
      assert.equal(await screen(page), "mfa-webauthn-platform-enrollment");
      assert.deepEqual(await violations(page), []);
      await next(page);
      await next(page);
      assert.equal(await screen(page), "mfa-enroll-result");
      await logIn(page, person);
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
    const { page, cdp, add, remove, id } = await withKey(USB);
    await enrol(page, person);
    const internal = await add(model);
    const log = async () => {
      // The cookies stay: this is the same browser.
      await page.goto(`${server.https}/_dev/playground/login?prompt=login`);
      await password(page, person);
      if ((await screen(page)) !== "mfa-webauthn-roaming-challenge") return;
      await next(page);
    };
    return { page, cdp, remove, id, internal, person, log };
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
    assert.equal(path(page), "/_dev/playground");
    assert.deepEqual((await methods(person)).map((method) => method.type), ["webauthn-roaming", "webauthn-platform"]);
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
      assert.equal(path(page), "/_dev/playground");
      await log();
      assert.equal(path(page), "/_dev/playground", "not at once again");
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
    const { page, remove, internal, log } = await offered(INTERNAL);
    await remove(internal);
    await log();
    assert.equal(path(page), "/_dev/playground");
  });
});
