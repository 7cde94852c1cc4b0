// openid-client, which knows nothing of Auth0, as a relying party that checks all it can.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as oidc from "openid-client";
import { Browser } from "./support/browser.mjs";
import { Management, moveClock, PAPE, ready } from "./support/lockstep.mjs";
import { walk } from "./support/login.mjs";

const server = ready();
const management = new Management();
const CALLBACK = "https://app.example.test/callback";
const HOME = "https://app.example.test/";
let application, config, api;

before(async () => {
  await management.put("guardian/factors/otp", { enabled: true });
  await management.put("guardian/policies", []);
  application = await management.application({
    callbacks: [CALLBACK],
    allowed_logout_urls: [HOME],
    refresh_token: { rotation_type: "rotating", expiration_type: "expiring", leeway: 0, token_lifetime: 86400 },
  });
  api = await management.api();
  config = await oidc.discovery(
    new URL(server.issuer),
    application.client_id,
    application.client_secret,
    oidc.ClientSecretPost(application.client_secret),
  );
});

/** One login by the library: sends the person off, checks what comes back. */
class Visit {
  constructor(person, browser = new Browser(server.https)) {
    Object.assign(this, { person, browser });
  }

  async start(parameters = {}, { pushed = true, with: by = config } = {}) {
    this.verifier = oidc.randomPKCECodeVerifier();
    this.checks = {
      pkceCodeVerifier: this.verifier,
      expectedState: oidc.randomState(),
      expectedNonce: oidc.randomNonce(),
      idTokenExpected: true,
      ...(parameters.max_age !== undefined && { maxAge: Number(parameters.max_age) }),
    };
    const all = {
      redirect_uri: CALLBACK,
      scope: "openid profile email offline_access",
      state: this.checks.expectedState,
      nonce: this.checks.expectedNonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(this.verifier),
      code_challenge_method: "S256",
      ...parameters,
    };
    const address = pushed ? await oidc.buildAuthorizationUrlWithPAR(by, all) : oidc.buildAuthorizationUrl(by, all);
    if (pushed) {
      assert.deepEqual([...address.searchParams.keys()].sort(), ["client_id", "request_uri"], "all else was pushed");
    }
    const { callback, screens } = await walk(this.browser, address, this.person);
    Object.assign(this, { address, callback, screens });
    return this;
  }

  async finish(by = config) {
    this.tokens = await oidc.authorizationCodeGrant(by, this.callback, this.checks);
    return this.tokens;
  }

  async login(parameters, options) {
    await this.start(parameters, options);
    return this.finish(options?.with);
  }
}

const newVisit = async () => new Visit(await management.person());

describe("discovery", () => {
  test("the metadata names what the library is about to use", () => {
    const metadata = config.serverMetadata();
    assert.equal(metadata.issuer, server.issuer);
    for (const name of ["authorization", "token", "userinfo", "pushed_authorization_request", "revocation", "end_session"]) {
      assert.ok(metadata[`${name}_endpoint`]?.startsWith(server.https), name);
    }
    assert.equal(metadata.supportsPKCE(), true);
    assert.ok(metadata.id_token_signing_alg_values_supported.includes("RS256"));
  });
});

describe("code, PKCE and PAR", () => {
  test("a login gives tokens that pass every check of the library", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    assert.deepEqual(visit.screens, ["login"]);
    const claims = tokens.claims();
    assert.equal(claims.sub, visit.person.id);
    assert.equal(claims.email, visit.person.email);
    assert.equal(claims.aud, application.client_id);
    assert.deepEqual(claims.amr, ["pwd"]);
    assert.equal(typeof claims.auth_time, "number");
    assert.equal(tokens.token_type, "bearer");
    assert.ok(tokens.refresh_token);
    assert.ok(tokens.expiresIn() > 0);
  });

  test("the same without PAR", async () => {
    const visit = await newVisit();
    assert.equal((await visit.login({}, { pushed: false })).claims().sub, visit.person.id);
  });

  test("client_secret_basic works as well as client_secret_post", async () => {
    const basic = await oidc.discovery(
      new URL(server.issuer),
      application.client_id,
      application.client_secret,
      oidc.ClientSecretBasic(application.client_secret),
    );
    const visit = await newVisit();
    assert.equal((await visit.login({}, { with: basic })).claims().sub, visit.person.id);
  });

  test("a pushed request is good once", async () => {
    const visit = await newVisit();
    await visit.login();
    const again = await new Browser(server.https).open(visit.address);
    if (again instanceof URL) assert.ok(again.searchParams.has("error"), `${again}`);
    else assert.ok(again.status >= 400, `it was shown ${again.url}`);
  });

  test("a wrong verifier is refused and burns the code", async () => {
    const visit = await (await newVisit()).start();
    const wrong = { ...visit.checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
    await assert.rejects(oidc.authorizationCodeGrant(config, visit.callback, wrong), { error: "invalid_grant" });
    await assert.rejects(visit.finish(), { error: "invalid_grant" });
  });

  test("a code is good once, and its second use ends the tokens of the first", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    await assert.rejects(visit.finish(), { error: "invalid_grant" });
    await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  });

  test("a wrong secret cannot redeem a code", async () => {
    const visit = await (await newVisit()).start();
    const wrong = await oidc.discovery(
      new URL(server.issuer),
      application.client_id,
      "not-the-secret",
      oidc.ClientSecretPost("not-the-secret"),
    );
    // The token endpoint says it as Auth0's does, not as RFC 6749 does.
    await assert.rejects(visit.finish(wrong), { status: 401, error: "access_denied" });
  });

  test("userinfo answers for the subject of the ID token", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    const info = await oidc.fetchUserInfo(config, tokens.access_token, visit.person.id);
    assert.equal(info.email, visit.person.email);
    for (const name of ["amr", "acr", "auth_time"]) assert.equal(info[name], undefined, name);
  });
});

describe("refresh", () => {
  test("a refresh token is replaced, and using the old one ends the family", async () => {
    const visit = await newVisit();
    const first = await visit.login();
    const second = await oidc.refreshTokenGrant(config, first.refresh_token);
    assert.ok(second.refresh_token && second.refresh_token !== first.refresh_token);
    assert.equal(second.claims().sub, visit.person.id);
    assert.equal(second.claims().auth_time, first.claims().auth_time);
    await assert.rejects(oidc.refreshTokenGrant(config, first.refresh_token), { error: "invalid_grant" });
    await assert.rejects(oidc.refreshTokenGrant(config, second.refresh_token), { error: "invalid_grant" });
  });

  test("what the step-up proved is still said after a refresh", async () => {
    const visit = await newVisit();
    const stepped = await visit.login({ acr_values: PAPE, audience: api.identifier });
    const refreshed = await oidc.refreshTokenGrant(config, stepped.refresh_token);
    for (const name of ["acr", "auth_time"]) assert.equal(refreshed.claims()[name], stepped.claims()[name], name);
    assert.deepEqual(refreshed.claims().amr, stepped.claims().amr);
    assert.ok(refreshed.claims().amr.includes("mfa"));
  });

  test("a refresh that asks for MFA is refused where the grant has none", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token, { acr_values: PAPE }), (error) => {
      assert.equal(error.error, "mfa_required");
      assert.equal(error.status, 403);
      assert.ok(error.cause.mfa_token);
      return true;
    });
  });

  test("a revoked refresh token is dead", async () => {
    const tokens = await (await newVisit()).login();
    await oidc.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
    await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  });
});

describe("sessions", () => {
  test("a second login needs no screen", async () => {
    const visit = await newVisit();
    const first = await visit.login();
    const second = await visit.login();
    assert.deepEqual(visit.screens, []);
    assert.equal(second.claims().auth_time, first.claims().auth_time);
    assert.equal(second.claims().sid, first.claims().sid);
  });

  test("max_age asks for the password once the login is older, and auth_time moves", async () => {
    const visit = await newVisit();
    const first = await visit.login({ max_age: "3600" });
    await visit.login({ max_age: "3600" });
    assert.deepEqual(visit.screens, [], "a fresh login is good enough");
    try {
      await moveClock({ advance_ms: 5_000 });
      const second = await visit.login({ max_age: "1" });
      assert.deepEqual(visit.screens, ["login"]);
      assert.ok(second.claims().auth_time > first.claims().auth_time);
    } finally {
      await moveClock({ reset: true });
    }
  });

  test("max_age=0 with a step-up asks for everything, and auth_time is after the MFA", async () => {
    const visit = await newVisit();
    await visit.login({ acr_values: PAPE });
    const began = Math.floor(Date.now() / 1000);
    const second = await visit.login({ acr_values: PAPE, max_age: "0" });
    assert.deepEqual(visit.screens, ["login", "mfa-otp-challenge"]);
    assert.ok(second.claims().auth_time >= began);
  });

  test("a step-up in a session asks for the factor alone", async () => {
    const visit = await newVisit();
    await visit.login();
    const tokens = await visit.login({ acr_values: PAPE });
    assert.ok(visit.screens.every((screen) => screen.startsWith("mfa-")), visit.screens.join());
    assert.equal(tokens.claims().acr, PAPE);
    await visit.login({ acr_values: PAPE });
    assert.deepEqual(visit.screens, [], "MFA done in the session is enough");
  });

  test("a silent request without a session says so", async () => {
    const visit = await (await newVisit()).start({ prompt: "none" });
    await assert.rejects(visit.finish(), { error: "login_required", error_description: "Login required" });
  });

  test("a silent step-up fails with the exact text before the MFA and works after it", async () => {
    const visit = await newVisit();
    await visit.login();
    await visit.start({ prompt: "none", acr_values: PAPE });
    await assert.rejects(visit.finish(), {
      error: "login_required",
      error_description: "Multifactor authentication required",
    });
    await visit.login({ acr_values: PAPE });
    const silent = await visit.login({ prompt: "none", acr_values: PAPE });
    assert.deepEqual(visit.screens, []);
    assert.ok(silent.claims().amr.includes("mfa"));
  });
});

describe("logout", () => {
  test("the relying party's logout ends the session and comes back with the state", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    const address = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: HOME,
      state: "bye",
    });
    const back = await visit.browser.open(address);
    assert.ok(back instanceof URL, `it stayed on ${back.url}: ${back.text}`);
    assert.equal(back.origin + back.pathname, HOME);
    assert.equal(back.searchParams.get("state"), "bye");
    await visit.start({ prompt: "none" });
    await assert.rejects(visit.finish(), { error: "login_required" });
  });

  test("nobody is sent to an address that is not listed", async () => {
    const visit = await newVisit();
    const tokens = await visit.login();
    const address = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: "https://evil.example.test/",
    });
    const page = await visit.browser.open(address);
    assert.ok(!(page instanceof URL), `${page}`);
    assert.equal(page.status, 400);
  });
});

describe("client credentials", () => {
  test("an application gets a token of its own with its grant, and none without", async () => {
    const ungranted = await management.api();
    await management.grant(application, api, ["transfer:funds"]);
    const tokens = await oidc.clientCredentialsGrant(config, { audience: api.identifier });
    assert.equal(tokens.scope, "transfer:funds");
    await assert.rejects(oidc.clientCredentialsGrant(config, { audience: ungranted.identifier }), {
      error: "access_denied",
    });
  });
});
