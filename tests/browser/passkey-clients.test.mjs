// Passkeys by the libraries that applications use: @simplewebauthn/browser at the endpoints themselves, and auth0-spa-js with its
// passkey and My Account clients, in Chromium with its virtual authenticators.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { claims, CONNECTION, Management, ready } from "../clients/node/support/lockstep.mjs";
import { Authenticator } from "../clients/node/support/totp.mjs";
import { launch, newWindow } from "./support/chromium.mjs";
import { serveScripts } from "./support/scripts.mjs";

const server = ready();
const management = new Management();
const GRANT = "urn:okta:params:oauth:grant-type:webauthn";
const MFA_OTP = "http://auth0.com/oauth/grant-type/mfa-otp";
const ME = `${server.issuer}me/`;
const SCOPES = ["read:me:factors", ...["read", "create", "update", "delete"].map((verb) => `${verb}:me:authentication_methods`)];
const SCOPE = ["openid", "email", ...SCOPES].join(" ");
const DEVICE = {
  protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
};
const SYNCED = { ...DEVICE, defaultBackupEligibility: true, defaultBackupState: true };
let browser, app, stranger, client, open, emails = 0;

before(async () => {
  browser = await launch({ ignoreCertificates: true });
  for (const factor of await management.get("guardian/factors")) {
    await management.put(`guardian/factors/${factor.name}`, { enabled: factor.name === "otp" });
  }
  const [connection] = await management.get(`connections?name=${CONNECTION}`);
  connection.options.authentication_methods = { ...connection.options.authentication_methods, passkey: { enabled: true } };
  // They are added by the API here.
  connection.options.passkey_options = { ...connection.options.passkey_options, progressive_enrollment_enabled: false };
  await management.patch(`connections/${connection.id}`, { options: connection.options });
  [app, stranger] = [await serveScripts(), await serveScripts()];
  client = await management.application({
    name: "Shop", app_type: "spa", token_endpoint_auth_method: "none", grant_types: [GRANT, MFA_OTP, "authorization_code", "refresh_token"],
    callbacks: [app.origin], web_origins: [app.origin],
  });
  const grant = { client_id: client.client_id, audience: ME, scope: SCOPES, subject_type: "user" };
  await management.post("client-grants", grant);
});
after(async () => {
  app?.close();
  stranger?.close();
  await browser?.close();
});
afterEach(async () => {
  await open?.context.close();
  open = undefined;
  await management.put("guardian/policies", []);
});

/** A page of the application with a virtual authenticator in it, and functions that call what is on it. */
async function page(model, origin = app.origin) {
  open = await newWindow(browser);
  const cdp = await open.context.newCDPSession(open.page);
  await cdp.send("WebAuthn.enable");
  const add = async (more) => {
    const options = { ...more, automaticPresenceSimulation: true };
    return (await cdp.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
  };
  const id = await add(model);
  await open.page.goto(origin);
  await open.page.evaluate(
    ({ issuer, domain, client_id, GRANT, ME, SCOPE }) => {
      const send = async (method, path, body, token) => {
        const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
        const response = await fetch(issuer + path, { method, headers, body: body && JSON.stringify(body) });
        const text = await response.text();
        return { status: response.status, location: response.headers.get("location"), body: text && JSON.parse(text) };
      };
      const redeem = (begun, answer) =>
        send("POST", "oauth/token", {
          grant_type: GRANT, client_id, auth_session: begun.body.auth_session, authn_response: answer, scope: SCOPE, audience: ME,
        });
      const { startRegistration, startAuthentication } = globalThis.SimpleWebAuthnBrowser;
      globalThis.plain = {
        send,
        async signUp(email) {
          const begun = await send("POST", "passkey/register", { client_id, user_profile: { email } });
          if (begun.status !== 200) return begun;
          return redeem(begun, await startRegistration({ optionsJSON: begun.body.authn_params_public_key }));
        },
        async logIn() {
          const begun = await send("POST", "passkey/challenge", { client_id });
          return redeem(begun, await startAuthentication({ optionsJSON: begun.body.authn_params_public_key }));
        },
        async add(token) {
          const begun = await send("POST", "me/v1/authentication-methods", { type: "passkey" }, token);
          if (begun.status !== 202) return begun;
          const answer = await startRegistration({ optionsJSON: begun.body.authn_params_public_key });
          const path = begun.location.slice(issuer.length);
          return send("POST", `${path}/verify`, { auth_session: begun.body.auth_session, authn_response: answer }, token);
        },
      };
      globalThis.sdk = new globalThis.auth0.Auth0Client({
        domain, clientId: client_id, cacheLocation: "localstorage", authorizationParams: { redirect_uri: location.origin },
      });
    },
    { issuer: server.issuer, domain: new URL(server.issuer).host, client_id: client.client_id, GRANT, ME, SCOPE },
  );
  return { page: open.page, cdp, add, id };
}

const email = () => `shopper${(emails += 1)}@example.test`;

/** Calls what is on the page: `name` is a path from the window. A refusal comes back as its name and words. */
function call(page, name, ...args) {
  return page.evaluate(
    async ({ name, args }) => {
      const path = name.split(".");
      const last = path.pop();
      const owner = path.reduce((at, part) => at[part], globalThis);
      try {
        return await owner[last](...args);
      } catch (error) {
        return { failed: error.name, message: error.message, error: error.error, mfa_token: error.mfa_token };
      }
    },
    { name, args },
  );
}

describe("@simplewebauthn/browser", () => {
  for (const [name, model, kept] of [["that stays on its device", DEVICE, "hwk"], ["that is copied to others", SYNCED, "swk"]]) {
    test(`signs somebody up with a passkey ${name}, and logs her in with it`, async () => {
      const { page: tab } = await page(model);
      const address = email();
      const made = await call(tab, "plain.signUp", address);
      assert.equal(made.status, 200, JSON.stringify(made));
      const first = claims(made.body.id_token);
      assert.deepEqual([first.email, first.amr], [address, ["pop", kept]]);
      const again = await call(tab, "plain.logIn");
      assert.equal(again.status, 200, JSON.stringify(again));
      assert.equal(claims(again.body.id_token).sub, first.sub);
      const [method] = await management.get(`users/${encodeURIComponent(first.sub)}/authentication-methods`);
      assert.deepEqual([method.type, method.transports], ["passkey", ["internal"]]);
      assert.equal(method.credential_device_type, kept === "swk" ? "multi_device" : "single_device");
    });
  }

  test("adds another passkey to the account, which logs in too; the removed one does not", async () => {
    const { page: tab, cdp, add, id } = await page(DEVICE);
    const made = await call(tab, "plain.signUp", email());
    const token = made.body.access_token;
    const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: id });
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
    const second = await add(SYNCED);
    const added = await call(tab, "plain.add", token);
    assert.equal(added.status, 201, JSON.stringify(added));
    assert.deepEqual([added.body.type, added.body.credential_device_type], ["passkey", "multi_device"]);
    const login = await call(tab, "plain.logIn");
    assert.equal(claims(login.body.id_token).sub, claims(made.body.id_token).sub);
    const listed = await call(tab, "plain.send", "GET", "me/v1/authentication-methods?type=passkey", undefined, token);
    const old = listed.body.authentication_methods.find((method) => method.id !== added.body.id);
    const path = `me/v1/authentication-methods/${encodeURIComponent(old.id)}`;
    assert.equal((await call(tab, "plain.send", "DELETE", path, undefined, token)).status, 204);
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: second });
    const third = await add(DEVICE);
    await cdp.send("WebAuthn.addCredential", { authenticatorId: third, credential: credentials[0] });
    const refused = await call(tab, "plain.logIn");
    assert.deepEqual([refused.status, refused.body.error], [404, "invalid_grant"]);
  });

  test("is told that the address is taken, and nobody is asked for a key", async () => {
    const { page: tab } = await page(DEVICE);
    const person = await management.person();
    const refused = await call(tab, "plain.signUp", person.email);
    assert.deepEqual([refused.status, refused.body.error], [400, "invalid_request"]);
  });

  test("gets no answer of a key that was copied after its counter went on", async () => {
    const { page: tab, cdp, id } = await page(DEVICE);
    await call(tab, "plain.signUp", email());
    const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: id });
    assert.equal((await call(tab, "plain.logIn")).status, 200);
    await cdp.send("WebAuthn.clearCredentials", { authenticatorId: id });
    await cdp.send("WebAuthn.addCredential", { authenticatorId: id, credential: credentials[0] });
    const refused = await call(tab, "plain.logIn");
    assert.deepEqual([refused.status, refused.body.error], [403, "invalid_grant"]);
    assert.match(refused.body.error_description, /copied/);
  });

  test("on a page that is not the application's may not even ask", async () => {
    const { page: tab } = await page(DEVICE, stranger.origin);
    const refused = await call(tab, "plain.signUp", email());
    assert.equal(refused.failed, "TypeError", JSON.stringify(refused));
  });
});

describe("auth0-spa-js", () => {
  test("signs up and logs in by its passkey client, with a session of its own", async () => {
    const { page: tab } = await page(SYNCED);
    const address = email();
    const made = await call(tab, "sdk.passkey.signup", { email: address, givenName: "Ada", realm: CONNECTION });
    assert.ok(made.access_token, JSON.stringify(made));
    assert.equal((await call(tab, "sdk.getUser")).email, address);
    assert.equal(await call(tab, "sdk.isAuthenticated"), true);
    const again = await call(tab, "sdk.passkey.login");
    assert.equal(claims(again.id_token).sub, claims(made.id_token).sub);
    const taken = await call(tab, "sdk.passkey.signup", { email: address });
    assert.equal(taken.failed, "PasskeyRegisterError", JSON.stringify(taken));
    assert.match(taken.message, /already exists/);
  });

  test("takes the ceremony's two halves apart, and a second answer to one challenge is refused", async () => {
    const { page: tab } = await page(SYNCED);
    await call(tab, "sdk.passkey.signup", { email: email() });
    const outcome = await tab.evaluate(async () => {
      const { sdk } = globalThis;
      const { authSession, publicKey } = await sdk.passkey.getLoginChallenge();
      const credential = await navigator.credentials.get({ publicKey });
      const first = await sdk.passkey.getTokenWithPasskey({ authSession, credential });
      const second = await sdk.passkey.getTokenWithPasskey({ authSession, credential }).catch((error) => error.name);
      return [typeof first.id_token, second];
    });
    assert.equal(outcome[0], "string");
    assert.match(outcome[1], /Error/);
  });

  test("is told where the policy wants MFA after a passkey, and does it with its MFA client", async () => {
    const { page: tab } = await page(SYNCED);
    await call(tab, "sdk.passkey.signup", { email: email() });
    await management.put("guardian/policies", ["all-applications"]);
    const refused = await call(tab, "sdk.passkey.login");
    assert.equal(refused.error, "mfa_required", JSON.stringify(refused));
    const mfaToken = refused.mfa_token;
    const enrolled = await call(tab, "sdk.mfa.enroll", { mfaToken, factorType: "otp" });
    const otp = await Authenticator.fromUri(enrolled.barcodeUri).code();
    const wrong = await call(tab, "sdk.mfa.verify", { mfaToken, otp: otp === "000000" ? "111111" : "000000" });
    assert.match(wrong.failed, /Error/);
    const done = await call(tab, "sdk.mfa.verify", { mfaToken, otp });
    assert.deepEqual(claims(done.id_token).amr, ["pop", "swk", "mfa", "otp"], JSON.stringify(done));
  });

  test("lists, adds, names and removes passkeys by its My Account client", async () => {
    const { page: tab, cdp, add, id } = await page(DEVICE);
    await call(tab, "sdk.passkey.signup", { email: email(), audience: ME, scope: SCOPE });
    const factors = await call(tab, "sdk.myAccount.getFactors");
    assert.deepEqual(factors.filter((factor) => factor.usage[0] === "primary").map((factor) => factor.type), ["password", "passkey"]);
    await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: id });
    await add(SYNCED);
    const added = await tab.evaluate(async () => {
      const { sdk } = globalThis;
      const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
      const challenge = await sdk.myAccount.enrollmentChallenge({ type: "passkey" });
      const options = challenge.authn_params_public_key;
      const credential = await navigator.credentials.create({
        publicKey: { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) } },
      });
      const { location, auth_session } = challenge;
      const answer = { type: "passkey", location, auth_session, authn_response: credential.toJSON() };
      const method = await sdk.myAccount.enrollmentVerify(answer);
      const again = await sdk.myAccount.enrollmentVerify(answer).catch((error) => [error.name, error.status, error.detail]);
      return { id: challenge.id, method, again };
    });
    assert.equal(added.id, "passkey|new");
    assert.deepEqual(added.again, ["MyAccountApiError", 400, "The auth_session is invalid or has expired"]);
    const named = await call(tab, "sdk.myAccount.updateAuthenticationMethod", added.method.id, { name: "Phone" });
    assert.equal(named.name, "Phone");
    const listed = await call(tab, "sdk.myAccount.getAuthenticationMethods", "passkey");
    assert.equal(listed.length, 2);
    assert.equal((await call(tab, "sdk.myAccount.getAuthenticationMethod", added.method.id)).name, "Phone");
    const first = listed.find((method) => method.id !== added.method.id);
    assert.equal(await call(tab, "sdk.myAccount.deleteAuthenticationMethod", first.id), undefined);
    const kinds = await call(tab, "sdk.myAccount.getAuthenticationMethods");
    assert.deepEqual(kinds.map((method) => method.type), ["passkey"]);
  });
});
