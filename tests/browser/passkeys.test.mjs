// Passkeys on the login pages, by Chromium's virtual authenticators: the button, the list under the field, and what goes wrong.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";
import { moveClock } from "../clients/node/support/lockstep.mjs";
import { violations } from "./support/chromium.mjs";
import {
  INTERNAL, arrives, begin, factors, leads, logIn, management, methods, next, passkeys, password, path, press, screen, server, shown, tags, windows,
} from "./support/keys.mjs";

const domain = new URL(server.https).hostname;
const { windowWithoutKeys, ...all } = windows();

before(() => factors(["otp"]));

/** A window with a virtual authenticator in it, which answers once it is touched. */
async function withKey(model = INTERNAL) {
  const key = await all.withKey(model, { touched: false });
  // What was asked of the browser, for tests to wait for.
  await key.page.addInitScript(() => {
    const get = navigator.credentials.get.bind(navigator.credentials);
    globalThis.asked = [];
    navigator.credentials.get = (options) => {
      globalThis.asked.push(options.mediation ?? "modal");
      return get(options);
    };
  });
  return key;
}

/** Gives a person a passkey, as an import would, and puts it into the authenticator. */
async function give(person, { cdp, id: authenticatorId }) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyId = randomBytes(32);
  const handle = randomBytes(32);
  const method = await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, {
    type: "passkey",
    key_id: keyId.toString("base64url"),
    public_key: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    relying_party_identifier: domain,
    user_handle: handle.toString("base64url"),
  });
  const credential = {
    credentialId: keyId.toString("base64"),
    isResidentCredential: true,
    rpId: domain,
    privateKey: privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
    userHandle: handle.toString("base64"),
    signCount: 1,
    userName: person.email,
  };
  await cdp.send("WebAuthn.addCredential", { authenticatorId, credential });
  return method;
}

describe("the button", () => {
  test("logs in without a name or a password", async () => {
    await passkeys({ challenge_ui: "button" });
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    await give(person, key);
    await begin(page);
    await page.waitForSelector("button[value=passkey]:not([hidden])");
    assert.deepEqual(await violations(page), []);
    await touch();
    await press(page, "button[value=passkey]");
    assert.equal(path(page), "/_dev/playground", await shown(page));
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("that is cancelled leaves the page with what was typed, and works when pressed again", async () => {
    await passkeys({ challenge_ui: "button" });
    const person = await management.person();
    const key = await withKey();
    const { page, cdp, id: authenticatorId, touch } = key;
    await give(person, key);
    await touch();
    await begin(page);
    await page.fill("#username", "somebody");
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    // What the person does in the browser's own window reaches the page as this error.
    await page.evaluate(() => {
      navigator.credentials.get = () => Promise.reject(new DOMException("cancelled", "NotAllowedError"));
    });
    await press(page, "button[value=passkey]");
    assert.equal(await shown(page), "passkey-authentication-failed");
    assert.equal(await page.inputValue("#username"), "somebody");
    assert.deepEqual(await violations(page), []);
    await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
    await press(page, "button[value=passkey]");
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("of a window without passkeys says so", async () => {
    await passkeys({ challenge_ui: "button" });
    const { page, touch } = await withKey();
    await touch();
    await begin(page);
    await press(page, "button[value=passkey]");
    assert.equal(await shown(page), "passkey-authentication-failed");
  });

  test("is not there in a browser without WebAuthn, and the password works", async () => {
    await passkeys();
    const person = await management.person();
    const page = await windowWithoutKeys();
    await begin(page);
    await page.waitForLoadState();
    assert.equal(await page.isVisible("button[value=passkey]"), false);
    await password(page, person);
    assert.deepEqual(await tags(page), ["pwd"]);
  });
});

describe("a sign-up", () => {
  const user = async (email) => (await management.get(`users-by-email?email=${encodeURIComponent(email)}`))[0];

  /** Begins one, and types an address that nobody has, or this one. */
  async function signUp(page, email = `${randomBytes(6).toString("hex")}@example.test`) {
    await begin(page);
    await press(page, "a[href*='/u/signup']");
    assert.equal(await screen(page), "signup-id");
    assert.deepEqual(await violations(page), []);
    await page.fill("#email", email);
    await next(page);
    return email;
  }

  test("by a passkey makes an account without a password, and the passkey logs in", async () => {
    await passkeys({ challenge_ui: "button" });
    const { page, touch } = await withKey();
    await touch();
    const email = await signUp(page);
    assert.equal(await screen(page), "passkey-enrollment");
    assert.deepEqual(await violations(page), []);
    await next(page);
    assert.equal(path(page), "/_dev/playground", await shown(page));
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
    assert.deepEqual((await methods({ id: (await user(email)).user_id })).map((method) => method.type), ["passkey"]);
    await begin(page);
    await press(page, "button[value=passkey]");
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("that is cancelled can be tried again, or goes on by a password", async () => {
    await passkeys();
    const { page, touch } = await withKey();
    await page.addInitScript(() => {
      const create = navigator.credentials.create.bind(navigator.credentials);
      navigator.credentials.create = (options) => {
        options.publicKey.timeout = 500;
        return create(options);
      };
    });
    const email = await signUp(page);
    await next(page);
    assert.equal(await shown(page), "passkey-authentication-failed");
    assert.deepEqual(await violations(page), []);
    await press(page, "button[value=skip]");
    assert.equal(await screen(page), "signup-password");
    assert.deepEqual(await violations(page), []);
    await press(page, "a[href*='/u/signup/identifier']");
    assert.equal(await page.inputValue("#email"), email);
    await next(page);
    await press(page, "button[value=skip]");
    await page.fill("#password", "Correct-horse-9-battery");
    await next(page);
    assert.deepEqual(await tags(page), ["pwd"], "and is not offered a passkey at once again");
    const other = await signUp(page);
    await next(page);
    await touch();
    await next(page);
    assert.ok(await user(other));
  });

  test("with the address of somebody else makes nothing, and the browser is told to forget the passkey", async () => {
    await passkeys();
    const person = await management.person();
    const { page, touch } = await withKey();
    await page.addInitScript(() => {
      PublicKeyCredential.signalUnknownCredential = async (told) => sessionStorage.setItem("told", JSON.stringify(told));
    });
    await touch();
    await signUp(page, person.email);
    await next(page);
    assert.deepEqual([await screen(page), await shown(page)], ["signup-id", "email-in-use"]);
    assert.deepEqual(await violations(page), []);
    const told = JSON.parse(await page.evaluate(() => sessionStorage.getItem("told")));
    assert.equal(told.rpId, domain);
    assert.deepEqual(await methods(person), []);
  });

  test("in a browser without WebAuthn goes to the password by itself", async () => {
    await passkeys();
    const page = await windowWithoutKeys();
    await begin(page);
    await page.click("a[href*='/u/signup']");
    const email = `${randomBytes(6).toString("hex")}@example.test`;
    await page.fill("#email", email);
    await page.click("button[value=default]");
    await page.waitForURL((url) => url.pathname === "/u/signup/password");
    await page.fill("#password", "Correct-horse-9-battery");
    await next(page);
    assert.deepEqual(await tags(page), ["pwd"]);
  });
});

describe("the list under the field", () => {
  test("logs in with what is picked from it", async () => {
    await passkeys({ challenge_ui: "autofill" });
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    await give(person, key);
    await begin(page);
    assert.equal(await page.getAttribute("#username", "autocomplete"), "username webauthn");
    assert.equal(await page.locator("button[value=passkey]").count(), 0);
    // A virtual authenticator picks for the person, of what is asked from then on.
    await touch();
    await page.reload().catch(() => {});
    await arrives(page);
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("waits quietly behind the form, and gives way to the button", async () => {
    await passkeys();
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    await give(person, key);
    await logIn(page, person);
    assert.deepEqual(await tags(page), ["pwd"]);
    await begin(page);
    await page.waitForFunction(() => globalThis.asked.includes("conditional"));
    await touch();
    await press(page, "button[value=passkey]");
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("asks anew before a challenge is over", async () => {
    await passkeys({ challenge_ui: "autofill" });
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    await give(person, key);
    await page.clock.install();
    await begin(page);
    const challenge = () => page.evaluate(() => JSON.parse(document.querySelector("[data-key]").dataset.options).challenge);
    const before = await challenge();
    await moveClock({ advance_ms: 360_000 });
    await touch();
    await page.clock.runFor(240_000);
    await arrives(page);
    assert.deepEqual(await tags(page), ["pop", "hwk"], `after ${before}`);
  });
});

describe("a passkey", () => {
  test("that was removed is told in plain words, and the browser is told to forget it", async () => {
    await passkeys({ challenge_ui: "button" });
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    const method = await give(person, key);
    const path = `users/${encodeURIComponent(person.id)}/authentication-methods/${encodeURIComponent(method.id)}`;
    await management.delete(path);
    await page.addInitScript(() => {
      PublicKeyCredential.signalUnknownCredential = async (told) => sessionStorage.setItem("told", JSON.stringify(told));
    });
    await touch();
    await begin(page);
    await press(page, "button[value=passkey]");
    assert.equal(await shown(page), "no-passkey");
    assert.deepEqual(await violations(page), []);
    const told = JSON.parse(await page.evaluate(() => sessionStorage.getItem("told")));
    assert.deepEqual(told, { rpId: domain, credentialId: method.key_id });
  });

  test("is one that the account page tells the browser is still good", async () => {
    const { page, touch } = await withKey();
    await page.addInitScript(() => {
      PublicKeyCredential.signalAllAcceptedCredentials = async (told) => sessionStorage.setItem("good", JSON.stringify(told));
    });
    await touch();
    await passkeys({ challenge_ui: "button", progressive_enrollment_enabled: true });
    const other = await management.person();
    await logIn(page, other);
    await next(page);
    await page.goto(`${server.https}/account`);
    const [made] = await methods(other);
    const good = JSON.parse(await page.evaluate(() => sessionStorage.getItem("good")));
    assert.deepEqual(good, { rpId: domain, userId: made.user_handle, allAcceptedCredentialIds: [made.key_id] });
  });

  test("is asked for a second factor where the policy wants one, also if it verified its user", async () => {
    await passkeys({ challenge_ui: "button" });
    await factors(["otp"], ["all-applications"]);
    const person = await management.person();
    const key = await withKey();
    const { page, touch } = key;
    await give(person, key);
    await touch();
    await begin(page);
    await press(page, "button[value=passkey]");
    assert.equal(await screen(page), "mfa-otp-enrollment-qr", await shown(page));
    await factors(["otp"]);
  });
});

describe("the offer of a passkey", () => {
  const enrolled = async (person) => (await methods(person, "passkey")).length;

  test("after a password is taken, and the passkey logs in", async () => {
    await passkeys({ challenge_ui: "button", progressive_enrollment_enabled: true });
    const person = await management.person();
    const { page, touch } = await withKey();
    await touch();
    await logIn(page, person);
    assert.equal(await screen(page), "passkey-enrollment");
    assert.deepEqual(await violations(page), []);
    await next(page);
    assert.deepEqual(await tags(page), ["pwd"]);
    assert.equal(await enrolled(person), 1);
    await begin(page);
    await press(page, "button[value=passkey]");
    assert.deepEqual(await tags(page), ["pop", "hwk"]);
  });

  test("is left for now, and then for ever", async () => {
    await passkeys({ challenge_ui: "button", progressive_enrollment_enabled: true });
    const person = await management.person();
    const { page } = await withKey();
    await logIn(page, person);
    await press(page, "button[value=skip]");
    assert.deepEqual(await tags(page), ["pwd"]);
    await logIn(page, person);
    assert.deepEqual(await tags(page), ["pwd"], "not again at once");
    await moveClock({ advance_ms: 7 * 86_400_000 });
    await logIn(page, person);
    assert.equal(await screen(page), "passkey-enrollment");
    await page.check("#doNotShowAgain");
    await press(page, "button[value=skip]");
    assert.deepEqual(await tags(page), ["pwd"]);
    await moveClock({ advance_ms: 8 * 86_400_000 });
    await logIn(page, person);
    assert.deepEqual(await tags(page), ["pwd"]);
    await moveClock({ reset: true });
    assert.equal(await enrolled(person), 0);
  });

  test("that is cancelled or takes too long can be tried again", async () => {
    await passkeys({ challenge_ui: "button", progressive_enrollment_enabled: true });
    const person = await management.person();
    const { page, touch } = await withKey();
    // Nobody touches it: the browser waits for as long as it was told, which is not for ever.
    await page.addInitScript(() => {
      const create = navigator.credentials.create.bind(navigator.credentials);
      navigator.credentials.create = (options) => {
        if (options.publicKey.timeout !== 60_000) throw new Error("another timeout");
        options.publicKey.timeout = 500;
        return create(options);
      };
    });
    await logIn(page, person);
    await next(page);
    assert.equal(await shown(page), "passkey-authentication-failed");
    assert.deepEqual(await violations(page), []);
    await touch();
    await next(page);
    assert.equal(await enrolled(person), 1);
  });

  test("is passed over by a browser that cannot do it", async () => {
    await passkeys({ progressive_enrollment_enabled: true });
    const person = await management.person();
    const page = await windowWithoutKeys();
    await begin(page);
    await page.fill("#username", person.email);
    await page.fill("#password", person.password);
    await page.click("button[value=default]");
    await arrives(page);
    assert.deepEqual(await tags(page), ["pwd"]);
  });
});
