// MFA inside the page: the MFA client of the React SDK (and of auth0-spa-js below it), in a real browser, factor by factor.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { inbox, Management, PAPE, ready } from "../clients/node/support/lockstep.mjs";
import { Authenticator } from "../clients/node/support/totp.mjs";
import { serveApp } from "./support/app.mjs";
import { launch, newWindow } from "./support/chromium.mjs";
import { Person } from "./support/person.mjs";

const server = ready();
const management = new Management();
const grant = (name) => `http://auth0.com/oauth/grant-type/${name}`;
let browser, app, open;

before(async () => {
  browser = await launch();
  for (const factor of ["otp", "sms", "email", "recovery-code"]) {
    await management.put(`guardian/factors/${factor}`, { enabled: true });
  }
  await management.put("guardian/factors/phone/message-types", { message_types: ["sms", "voice"] });
  app = await serveApp(async (origin) => {
    const application = await management.application({
      name: "Shop",
      app_type: "spa",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token", grant("mfa-otp"), grant("mfa-oob"), grant("mfa-recovery-code")],
      callbacks: [origin],
      web_origins: [origin],
      refresh_token: { rotation_type: "rotating", expiration_type: "expiring", leeway: 0, token_lifetime: 86400 },
    });
    return {
      domain: new URL(server.issuer).host,
      clientId: application.client_id,
      authorizationParams: {},
      options: { useRefreshTokens: true, cacheLocation: "localstorage" },
    };
  });
});
after(async () => {
  app?.close();
  await browser?.close();
});
afterEach(() => open?.context.close());

/** Logs in with the password alone, and then the policy changes: the next renewal needs MFA. */
async function mfaRequired(account) {
  await management.put("guardian/policies", []);
  open = await newWindow(browser);
  const { page } = open;
  await page.goto(app.origin);
  await page.click("#login");
  await page.waitForURL((url) => url.origin !== app.origin);
  await new Person(account).answer(page, app.origin);
  await page.waitForFunction(() => document.querySelector("#state")?.textContent.startsWith("Hello"));
  await management.put("guardian/policies", ["all-applications"]);
  const token = await page.evaluate(async () => {
    try {
      await globalThis.sdk.renew();
    } catch (error) {
      if (error.error !== "mfa_required") throw error;
      return error.mfa_token;
    }
  });
  assert.ok(token, "the SDK surfaces mfa_required with its token");
  return new Embedded(page, token);
}

/** The SDK's MFA client in the page. */
class Embedded {
  constructor(page, mfaToken) {
    Object.assign(this, { page, mfaToken });
  }

  call(method, parameters) {
    return this.page.evaluate(
      async ([name, mfaToken, more]) => {
        const { mfa } = globalThis.sdk;
        return more ? mfa[name]({ mfaToken, ...more }) : mfa[name](mfaToken);
      },
      [method, this.mfaToken, parameters],
    );
  }

  /** Answers, and returns the claims of the ID token that comes of it. */
  async verify(answer) {
    const tokens = await this.call("verify", answer);
    const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url").toString());
    assert.equal(claims.acr, PAPE);
    // The renewal that was refused before works now.
    assert.ok(await this.page.evaluate(async () => Boolean((await globalThis.sdk.renew()).access_token)));
    return claims.amr;
  }
}

const phone = () => `+1202555${String(Math.floor(Math.random() * 9000) + 1000)}`;
const withApp = async () => {
  const account = await management.person();
  const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
  await management.post(`users/${encodeURIComponent(account.id)}/authentication-methods`, { type: "totp", totp_secret: secret });
  return { account, authenticator: new Authenticator({ secret }) };
};

describe("somebody without a factor", () => {
  test("enrols an authenticator app, and later uses the recovery code", async () => {
    const account = await management.person();
    const first = await mfaRequired(account);
    const factors = await first.call("getEnrollmentFactors");
    assert.deepEqual(factors.map((factor) => factor.type), ["otp", "phone", "email"]);
    const enrolled = await first.call("enroll", { factorType: "otp" });
    assert.equal(enrolled.authenticatorType, "otp");
    const authenticator = Authenticator.fromUri(enrolled.barcodeUri);
    assert.deepEqual(await first.verify({ otp: await authenticator.code() }), ["pwd", "mfa", "otp"]);
    await open.context.close();
    const second = await mfaRequired(account);
    assert.deepEqual(await second.verify({ recoveryCode: enrolled.recoveryCodes[0] }), ["pwd", "mfa"]);
  });

  for (const [factorType, method] of [["sms", "sms"], ["voice", "tel"]]) {
    test(`enrols a telephone by ${factorType}, and is challenged at it`, async () => {
      const account = await management.person();
      const number = phone();
      const first = await mfaRequired(account);
      const enrolled = await first.call("enroll", { factorType, phoneNumber: number });
      assert.equal(enrolled.oobChannel, factorType);
      const sent = await inbox({ to: number, kind: `code_${factorType}` });
      assert.deepEqual(await first.verify({ oobCode: enrolled.oobCode, bindingCode: sent.code }), ["pwd", "mfa", method]);
      await open.context.close();
      const second = await mfaRequired(account);
      const found = (await second.call("getAuthenticators")).find((one) => one.id.startsWith(`${factorType}|`));
      const challenge = await second.call("challenge", { challengeType: "oob", authenticatorId: found.id });
      const again = await inbox({ to: number, kind: `code_${factorType}`, after: sent.id });
      assert.deepEqual(await second.verify({ oobCode: challenge.oobCode, bindingCode: again.code }), ["pwd", "mfa", method]);
    });
  }
});

describe("somebody with an authenticator app", () => {
  test("is listed, challenged and let in, and a wrong code is told as such", async () => {
    const { account, authenticator } = await withApp();
    const embedded = await mfaRequired(account);
    const all = await embedded.call("getAuthenticators");
    assert.deepEqual(all.map((one) => one.type).sort(), ["email", "otp"]);
    const challenge = await embedded.call("challenge", {
      challengeType: "otp",
      authenticatorId: all.find((one) => one.type === "otp").id,
    });
    assert.equal(challenge.challengeType, "otp");
    await assert.rejects(embedded.call("verify", { otp: "000000" }), /Invalid otp_code/);
    assert.deepEqual(await embedded.verify({ otp: await authenticator.code() }), ["pwd", "mfa", "otp"]);
  });

  test("may take a code by mail instead", async () => {
    const { account } = await withApp();
    const embedded = await mfaRequired(account);
    const mail = (await embedded.call("getAuthenticators")).find((one) => one.id.startsWith("email|"));
    const challenge = await embedded.call("challenge", { challengeType: "oob", authenticatorId: mail.id });
    const sent = await inbox({ to: account.email, kind: "code_email" });
    const amr = await embedded.verify({ oobCode: challenge.oobCode, bindingCode: sent.code });
    assert.ok(amr.includes("mfa"), amr.join());
  });
});
