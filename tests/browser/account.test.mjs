// Passkeys and keys on the account page, by Chromium's virtual authenticators.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { moveClock } from "../clients/node/support/lockstep.mjs";
import { violations } from "./support/chromium.mjs";
import {
  INTERNAL, SYNCED, USB, factors, management, methods, next, passkeys, password, press, screen, server, shown, windows,
} from "./support/keys.mjs";

const { withKey, windowWithoutKeys } = windows();

before(async () => {
  await factors(["webauthn-roaming", "webauthn-platform"]);
  await passkeys({ challenge_ui: "button" });
});

/** Opens the account page and logs in on the way. */
async function atHome(page, person) {
  await page.goto(`${server.https}/account`);
  await password(page, person);
  assert.equal(await screen(page), "account");
}

const rows = (page, method) => page.locator(`[data-method=${method}]`);

describe("a passkey", () => {
  for (const [name, model, kept] of [["of the device", INTERNAL, "On one device only"], ["that is synced", SYNCED, "Synced between your devices"]]) {
    test(`${name} is added, named, used and removed, and the browser is told`, async () => {
      const person = await management.person();
      const { page, cdp, id } = await withKey(model);
      await page.addInitScript(() => {
        PublicKeyCredential.signalAllAcceptedCredentials = async (told) => sessionStorage.setItem("good", JSON.stringify(told));
      });
      const good = async () => JSON.parse(await page.evaluate(() => sessionStorage.getItem("good"))).allAcceptedCredentialIds;
      await atHome(page, person);
      await press(page, "a[href='/account/add-passkey']");
      assert.equal(await screen(page), "account-passkey");
      assert.deepEqual(await violations(page), []);
      await next(page);
      assert.equal(await screen(page), "account", await shown(page));
      assert.deepEqual(await violations(page), []);
      assert.match(await rows(page, "passkey").textContent(), new RegExp(kept));
      const [made] = await methods(person, "passkey");
      assert.deepEqual(await good(), [made.key_id]);
      await page.click("[data-method=passkey] summary");
      await page.fill("[data-method=passkey] input[name=name]", "Work laptop");
      await press(page, "[data-method=passkey] form button");
      assert.equal((await methods(person, "passkey"))[0].name, "Work laptop");
      // Its owner logs in by it.
      await page.context().clearCookies();
      await page.goto(`${server.https}/account`);
      await press(page, "button[value=passkey]");
      assert.equal(await screen(page), "account", await shown(page));
      assert.match(await rows(page, "passkey").textContent(), /Work laptop[^]*Last used today/);
      // The same authenticator makes no second one.
      await press(page, "a[href='/account/add-passkey']");
      await next(page);
      assert.equal(await shown(page), "passkey-already-there");
      assert.deepEqual(await violations(page), []);
      assert.equal((await cdp.send("WebAuthn.getCredentials", { authenticatorId: id })).credentials.length, 1);
      await press(page, ".more a");
      await press(page, "a[href^='/account/remove']");
      assert.deepEqual(await violations(page), []);
      await press(page, "button.main");
      assert.equal(await rows(page, "passkey").count(), 0);
      assert.deepEqual(await good(), []);
    });
  }

  test("that the person cancels is not added, and can be tried again", async () => {
    const person = await management.person();
    const { page, touch } = await withKey(INTERNAL, { touched: false });
    await page.addInitScript(() => {
      const create = navigator.credentials.create.bind(navigator.credentials);
      navigator.credentials.create = (options) => {
        options.publicKey.timeout = 500;
        return create(options);
      };
    });
    await atHome(page, person);
    await press(page, "a[href='/account/add-passkey']");
    await next(page);
    assert.equal(await shown(page), "passkey-authentication-failed");
    await touch();
    await next(page);
    assert.equal(await rows(page, "passkey").count(), 1);
  });

  test("wants a fresh proof", async () => {
    const person = await management.person();
    const { page } = await withKey(INTERNAL);
    await atHome(page, person);
    await moveClock({ advance_ms: 16 * 60_000 });
    await press(page, "a[href='/account/add-passkey']");
    assert.equal(await screen(page), "login");
    await password(page, person);
    assert.equal(await screen(page), "account-passkey", "back to what was wanted");
    await next(page);
    assert.equal(await rows(page, "passkey").count(), 1);
    await moveClock({ reset: true });
  });

  test("cannot be added in a browser without WebAuthn, and the page says so", async () => {
    const person = await management.person();
    const page = await windowWithoutKeys();
    await atHome(page, person);
    await press(page, "a[href='/account/add-passkey']");
    await page.waitForSelector("[data-missing]:not([hidden])");
    assert.equal(await page.locator("button[value=default]").count(), 0);
    assert.deepEqual(await violations(page), []);
  });
});

describe("a key", () => {
  test("is added as a second step, then one of the device beside it", async () => {
    const person = await management.person();
    const { page, add, remove, id } = await withKey(USB);
    await atHome(page, person);
    await press(page, "a[href='/account/add']");
    assert.equal(await screen(page), "mfa-webauthn-roaming-enrollment");
    await next(page);
    await page.fill("#nickname", "Blue key");
    await next(page);
    assert.equal(await screen(page), "account", await shown(page));
    assert.match(await rows(page, "webauthn-roaming").textContent(), /Blue key[^]*Security key[^]*On one device only/);
    await remove(id);
    await add(SYNCED);
    await press(page, "a[href='/account/add']");
    assert.equal(await screen(page), "mfa-begin-enroll-options");
    await press(page, "button[value^='webauthn-platform']");
    assert.equal(await screen(page), "mfa-webauthn-platform-enrollment");
    await next(page);
    await next(page);
    assert.match(await rows(page, "webauthn-platform").textContent(), /Fingerprint or face[^]*Synced/);
    assert.deepEqual(await violations(page), []);
  });
});
