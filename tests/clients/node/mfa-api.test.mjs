// MFA without our pages, by the official authentication clients: @auth0/auth0-auth-js and `auth0`.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";
import { AuthClient, isMfaRequiredError } from "@auth0/auth0-auth-js";
import { AuthenticationClient } from "auth0/legacy";
import { claims, CONNECTION, inbox, Management, PAPE, ready } from "./support/lockstep.mjs";
import { Authenticator } from "./support/totp.mjs";

const management = new Management();
const domain = new URL(ready().issuer).host;
const grant = (name) => `http://auth0.com/oauth/grant-type/${name}`;
let application, client;

before(async () => {
  for (const factor of ["otp", "sms", "email", "recovery-code"]) {
    await management.put(`guardian/factors/${factor}`, { enabled: true });
  }
  await management.put("guardian/factors/phone/message-types", { message_types: ["sms", "voice"] });
  await management.put("guardian/policies", ["all-applications"]);
  await management.patch("tenants/settings", { default_directory: CONNECTION });
  application = await management.application({
    grant_types: ["password", grant("password-realm"), grant("mfa-otp"), grant("mfa-oob"), grant("mfa-recovery-code"), "refresh_token"],
  });
  client = new AuthClient({ domain, clientId: application.client_id, clientSecret: application.client_secret });
});

/** Logs in with the password, and returns what comes back of it: MFA is required. */
async function required(person) {
  try {
    await client.getTokenByPassword({ username: person.email, password: person.password, scope: "openid offline_access" });
  } catch (error) {
    const cause = error.cause ?? error;
    assert.equal(cause.error, "mfa_required", String(error));
    assert.ok(isMfaRequiredError(error), "the SDK's own test says so");
    return cause;
  }
  throw new Error("a password alone was enough");
}

describe("auth0-auth-js", () => {
  test("an app is enrolled, listed, challenged and verified", async () => {
    const person = await management.person();
    const first = await required(person);
    assert.deepEqual(first.mfa_requirements.enroll.map((f) => f.type), ["otp", "phone", "email"]);
    const mfaToken = first.mfa_token;
    const enrolled = await client.mfa.enrollAuthenticator({ authenticatorTypes: ["otp"], mfaToken });
    assert.equal(enrolled.authenticatorType, "otp");
    assert.equal(enrolled.recoveryCodes.length, 1);
    const app = Authenticator.fromUri(enrolled.barcodeUri);
    const tokens = await client.mfa.verify({ mfaToken, factorType: "otp", otp: await app.code() });
    assert.deepEqual(claims(tokens.idToken).amr, ["pwd", "mfa", "otp"]);
    assert.equal(claims(tokens.idToken).acr, PAPE);

    const again = await required(person);
    const listed = await client.mfa.listAuthenticators({ mfaToken: again.mfa_token });
    assert.deepEqual(listed.map((a) => a.authenticatorType).sort(), ["oob", "otp", "recovery-code"]);
    const challenge = await client.mfa.challengeAuthenticator({ mfaToken: again.mfa_token, challengeType: "otp" });
    assert.equal(challenge.challengeType, "otp");
    await assert.rejects(
      client.mfa.verify({ mfaToken: again.mfa_token, factorType: "otp", otp: "000000" }),
      (error) => error.cause?.error === "invalid_grant" && error.cause?.error_description === "Invalid otp_code.",
    );
    const used = await client.mfa.verify({
      mfaToken: again.mfa_token,
      factorType: "recovery-code",
      recoveryCode: enrolled.recoveryCodes[0],
    });
    assert.ok(used.accessToken);
  });

  test("a phone is enrolled and challenged by text and by call", async () => {
    const person = await management.person();
    const phone = `+1202555${String(Math.floor(Math.random() * 9000) + 1000)}`;
    const { mfa_token: mfaToken } = await required(person);
    const enrolled = await client.mfa.enrollAuthenticator({
      authenticatorTypes: ["oob"],
      oobChannels: ["sms"],
      phoneNumber: phone,
      mfaToken,
    });
    assert.equal(enrolled.authenticatorType, "oob");
    const sent = await inbox({ to: phone, kind: "code_sms" });
    assert.match(sent.text, new RegExp(`@${domain.split(":")[0]} #${sent.code}$`));
    await client.mfa.verify({ mfaToken, factorType: "oob", oobCode: enrolled.oobCode, bindingCode: sent.code });

    const again = await required(person);
    const listed = await client.mfa.listAuthenticators({ mfaToken: again.mfa_token });
    const voice = listed.find((a) => a.id.startsWith("voice|"));
    assert.deepEqual(voice.oobChannels, ["voice"]);
    const challenge = await client.mfa.challengeAuthenticator({
      mfaToken: again.mfa_token,
      challengeType: "oob",
      authenticatorId: voice.id,
    });
    assert.equal(challenge.bindingMethod, "prompt");
    const call = await inbox({ to: phone, kind: "code_voice" });
    const tokens = await client.mfa.verify({
      mfaToken: again.mfa_token,
      factorType: "oob",
      oobCode: challenge.oobCode,
      bindingCode: call.code,
    });
    assert.deepEqual(claims(tokens.idToken).amr, ["pwd", "mfa", "tel"]);
  });

  test("an mfa_token removes nothing", async () => {
    const person = await management.person();
    const { mfa_token: mfaToken } = await required(person);
    await assert.rejects(client.mfa.deleteAuthenticator({ authenticatorId: "totp|dev_0000000000000000", mfaToken }));
  });
});

describe("auth0 AuthenticationClient", () => {
  test("the password grant surfaces mfa_required with its token, which the MFA grant redeems", async () => {
    const person = await management.person();
    const seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, { type: "totp", totp_secret: seed });
    const auth = new AuthenticationClient({
      domain,
      clientId: application.client_id,
      clientSecret: application.client_secret,
    });
    let body;
    await assert.rejects(
      auth.oauth.passwordGrant({ username: person.email, password: person.password, realm: CONNECTION, scope: "openid" }),
      (error) => {
        body = error.body ? JSON.parse(error.body) : error;
        return body.error === "mfa_required";
      },
    );
    const redeem = (otp) =>
      fetch(`${ready().issuer}oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          grant_type: grant("mfa-otp"),
          client_id: application.client_id,
          client_secret: application.client_secret,
          mfa_token: body.mfa_token,
          otp,
        }),
      });
    const answer = await redeem(await new Authenticator({ secret: seed }).code());
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.deepEqual(claims((await answer.json()).id_token).amr, ["pwd", "mfa", "otp"]);
  });

  test("a mailed code and a texted one log in without a password", async () => {
    const application = await management.application({ grant_types: [grant("passwordless/otp")] });
    for (const name of ["email", "sms"]) {
      await management.post("connections", { name, strategy: name, enabled_clients: [application.client_id] });
    }
    const auth = new AuthenticationClient({
      domain,
      clientId: application.client_id,
      clientSecret: application.client_secret,
    });
    await management.put("guardian/policies", []);
    try {
      const email = `${randomBytes(5).toString("hex")}@example.test`;
      await auth.passwordless.sendEmail({ email, send: "code" });
      const mail = await inbox({ to: email, kind: "code_email" });
      const byMail = await auth.passwordless.loginWithEmail({ email, code: mail.code, scope: "openid" });
      assert.deepEqual(claims(byMail.data.id_token).amr, ["email"]);
      const phone = `+1202555${String(Math.floor(Math.random() * 9000) + 1000)}`;
      await auth.passwordless.sendSMS({ phone_number: phone });
      const text = await inbox({ to: phone, kind: "code_sms" });
      const byText = await auth.passwordless.loginWithSMS({ phone_number: phone, code: text.code, scope: "openid" });
      assert.deepEqual(claims(byText.data.id_token).amr, ["sms"]);
    } finally {
      await management.put("guardian/policies", ["all-applications"]);
    }
  });

  test("a form of one's own signs up, and MFA stands before its first token", async () => {
    const auth = new AuthenticationClient({ domain, clientId: application.client_id, clientSecret: application.client_secret });
    const [email, password] = [`${randomBytes(5).toString("hex")}@example.test`, `${randomBytes(9).toString("hex")}-Aa1`];
    const made = await auth.database.signUp({ email, password, connection: CONNECTION, name: "New Person" });
    assert.deepEqual([made.data.email, made.data.email_verified, made.data.name], [email, false, "New Person"]);
    assert.match(made.data._id, /^[0-9a-f]{24}$/);
    await required({ email, password });
    const taken = await auth.database.signUp({ email, password, connection: CONNECTION }).catch((error) => error);
    assert.deepEqual([taken.statusCode, taken.error, taken.error_description], [400, "invalid_signup", "Invalid sign up"]);
    const sent = await auth.database.changePassword({ email, connection: CONNECTION });
    assert.equal(sent.data, "We've just sent you an email to reset your password.");
    assert.match((await inbox({ to: email, kind: "reset_email" })).text, /u\/reset-verify\?ticket=/);
  });
});
