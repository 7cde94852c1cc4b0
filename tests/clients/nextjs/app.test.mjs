// @auth0/nextjs-auth0 with the App Router: login, step-up (the guide's items 33 and 34), and its MFA routes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Browser } from "../node/support/browser.mjs";
import { inbox, Management, PAPE, ready } from "../node/support/lockstep.mjs";
import { walk } from "../node/support/login.mjs";
import { Authenticator } from "../node/support/totp.mjs";

const server = ready();
const management = new Management();
const grant = (name) => `http://auth0.com/oauth/grant-type/${name}`;
let origin, next;
let log = "";

async function freePort() {
  const probe = createServer().listen(0, "localhost");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

before(async () => {
  for (const factor of ["otp", "sms", "recovery-code"]) {
    await management.put(`guardian/factors/${factor}`, { enabled: true });
  }
  const port = await freePort();
  origin = `http://localhost:${port}`;
  const application = await management.application({
    callbacks: [`${origin}/auth/callback`],
    allowed_logout_urls: [origin],
    grant_types: ["authorization_code", "refresh_token", grant("mfa-otp"), grant("mfa-oob"), grant("mfa-recovery-code")],
  });
  next = spawn(process.execPath, ["node_modules/next/dist/bin/next", "start", "--port", String(port), "--hostname", "localhost"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    env: {
      ...process.env,
      NEXT_TELEMETRY_DISABLED: "1",
      APP_BASE_URL: origin,
      AUTH0_DOMAIN: new URL(server.issuer).host,
      AUTH0_CLIENT_ID: application.client_id,
      AUTH0_CLIENT_SECRET: application.client_secret,
      AUTH0_SECRET: randomBytes(32).toString("hex"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const listening = new Promise((resolve, reject) => {
    for (const stream of [next.stdout, next.stderr]) {
      stream.on("data", (chunk) => {
        log += chunk;
        if (log.includes("Ready in")) resolve();
      });
    }
    next.once("exit", (code) => reject(new Error(`next ended with ${code}\n${log}`)));
  });
  await listening;
  next.removeAllListeners("exit");
});
after(() => next?.kill());
beforeEach(() => management.put("guardian/policies", []));

/** A person with two jars: one of the app, one of the login pages. */
class Visitor {
  constructor(person) {
    this.person = person;
    this.app = new Browser(origin);
    this.idp = new Browser(server.issuer);
  }

  /** Goes through the app's login route; returns the screens that were shown. */
  async login(parameters = {}) {
    const address = await this.app.open(`/auth/login?${new URLSearchParams(parameters)}`);
    assert.ok(address instanceof URL, `${address.status} ${address.text}\n${log}`);
    const { callback, screens } = await walk(this.idp, address, this.person);
    const home = await this.app.open(callback);
    assert.match(home.text, new RegExp(`Hello ${this.person.email}`));
    return screens;
  }

  async call(method, path, body, headers = {}) {
    const page = await this.app.open(path, {
      method,
      headers: { "content-type": "application/json", origin, ...headers },
      body: body && JSON.stringify(body),
    });
    return { status: page.status, body: page.html === "" ? undefined : JSON.parse(page.html) };
  }

  transfer() {
    return this.call("POST", "/api/transfer");
  }

  /** Renews under a policy that asks for MFA; returns the SDK's token for it. */
  async mfaToken() {
    await management.put("guardian/policies", ["all-applications"]);
    const { status, body } = await this.call("POST", "/api/renew");
    assert.deepEqual([status, body.code], [403, "mfa_required"], JSON.stringify(body));
    return body.mfa_token;
  }
}

const SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
async function withApp() {
  const person = await management.person();
  await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, { type: "totp", totp_secret: SECRET });
  person.authenticator = new Authenticator({ secret: SECRET });
  return person;
}

test("33, 34: what MFA may do is refused, and done after the step-up through /auth/login", async () => {
  const visitor = new Visitor(await withApp());
  assert.deepEqual((await visitor.login()).filter((screen) => screen !== "consent"), ["login"]);
  assert.deepEqual(await visitor.transfer(), { status: 403, body: { error: "MFA required", code: "mfa_required" } });
  assert.deepEqual(
    (await visitor.login({ acr_values: PAPE })).filter((screen) => screen !== "consent"),
    ["mfa-otp-challenge"],
    "no password again",
  );
  assert.deepEqual(await visitor.transfer(), { status: 200, body: { success: true } });
});

describe("the SDK's MFA routes", () => {
  test("list, challenge and verify an authenticator app", async () => {
    const person = await withApp();
    const visitor = new Visitor(person);
    await visitor.login();
    const token = await visitor.mfaToken();
    const bearer = { authorization: `Bearer ${token}` };
    const listed = await visitor.call("GET", "/auth/mfa/authenticators", undefined, bearer);
    assert.equal(listed.status, 200, JSON.stringify(listed.body));
    assert.deepEqual(listed.body.map((one) => one.authenticator_type ?? one.authenticatorType), ["otp"]);
    const challenge = await visitor.call("POST", "/auth/mfa/challenge", { mfa_token: token, challenge_type: "otp" });
    assert.equal(challenge.status, 200, JSON.stringify(challenge.body));
    const wrong = await visitor.call("POST", "/auth/mfa/verify", { otp: "000000" }, bearer);
    assert.equal(wrong.body.error, "invalid_grant", JSON.stringify(wrong.body));
    const right = await visitor.call("POST", "/auth/mfa/verify", { otp: await person.authenticator.code() }, bearer);
    assert.deepEqual(right, { status: 200, body: { success: true } });
    assert.equal((await visitor.call("POST", "/api/renew")).status, 200, "the renewal works now");
  });

  test("enrol a telephone, challenge it, and use the recovery code", async () => {
    const visitor = new Visitor(await management.person());
    const phone = `+1202555${String(Math.floor(Math.random() * 9000) + 1000)}`;
    await visitor.login();
    let token = await visitor.mfaToken();
    const enrolled = await visitor.call(
      "POST",
      "/auth/mfa/associate",
      { authenticator_types: ["oob"], oob_channels: ["sms"], phone_number: phone },
      { authorization: `Bearer ${token}` },
    );
    assert.equal(enrolled.status, 200, JSON.stringify(enrolled.body));
    const sent = await inbox({ to: phone, kind: "code_sms" });
    const confirm = { oob_code: enrolled.body.oob_code, binding_code: sent.code };
    const confirmed = await visitor.call("POST", "/auth/mfa/verify", confirm, { authorization: `Bearer ${token}` });
    assert.deepEqual(confirmed, { status: 200, body: { success: true } });

    const again = new Visitor(visitor.person);
    await management.put("guardian/policies", []);
    await again.login();
    token = await again.mfaToken();
    const challenge = await again.call("POST", "/auth/mfa/challenge", { mfa_token: token, challenge_type: "oob" });
    assert.equal(challenge.status, 200, JSON.stringify(challenge.body));
    const recovered = await again.call(
      "POST",
      "/auth/mfa/verify",
      { recovery_code: enrolled.body.recovery_codes[0] },
      { authorization: `Bearer ${token}` },
    );
    assert.equal(recovered.status, 200, JSON.stringify(recovered.body));
    assert.equal(recovered.body.recovery_code.length, 24, "the next one comes at once");
  });
});
