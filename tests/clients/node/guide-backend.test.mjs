// The guide's Express backend: only tokens of people who did MFA pass.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { backend as expressJwt } from "./apps/express-jwt.mjs";
import { backend as jwtBearer } from "./apps/jwt-bearer.mjs";
import { claims, Management, moveClock, PAPE, ready, Session } from "./support/lockstep.mjs";

const management = new Management();
const domain = new URL(ready().issuer).host;
let api, otherApi, application, person;

before(async () => {
  await management.put("guardian/factors/otp", { enabled: true });
  await management.put("guardian/policies", []);
  api = await management.api();
  otherApi = await management.api();
  application = await management.application();
  await management.grant(application, api, ["transfer:funds"]);
  person = await management.person();
});

async function serve(app) {
  const listener = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return { base: `http://127.0.0.1:${listener.address().port}`, close: () => listener.close() };
}

/** A token like `token` that nobody but us signed, with the public key id and a shared secret. */
function forged(token) {
  const header = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
  const head = Buffer.from(JSON.stringify({ ...header, alg: "HS256" })).toString("base64url");
  const signed = `${head}.${token.split(".")[1]}`;
  return `${signed}.${createHmac("sha256", application.client_secret).update(signed).digest("base64url")}`;
}

for (const [name, make] of [["express-jwt with jwks-rsa", expressJwt], ["express-oauth2-jwt-bearer", jwtBearer]]) {
  describe(name, () => {
    let server, session, plain;
    const call = async (path, token, method = "POST") => {
      const response = await fetch(server.base + path, {
        method,
        headers: token ? { authorization: `Bearer ${token}` } : {},
      });
      return { status: response.status, body: await response.json() };
    };

    before(async () => {
      server = await serve(make({ domain, audience: api.identifier }));
      session = new Session(application, person);
      plain = await session.login({ audience: api.identifier });
    });
    after(() => server.close());

    test("a request without a token is refused", async () => {
      const { status } = await call("/transfer");
      assert.equal(status, 401);
    });

    test("a token of a login without MFA is known but not enough", async () => {
      assert.deepEqual(claims(plain.access_token).amr, ["pwd"]);
      assert.equal((await call("/profile", plain.access_token, "GET")).status, 200);
      const { status, body } = await call("/transfer", plain.access_token);
      assert.equal(status, 403);
      assert.equal(body.code, "mfa_required");
    });

    test("after a step-up the new token passes and the old one still does not", async () => {
      const stepped = await session.login({ audience: api.identifier, acr_values: PAPE });
      assert.ok(!stepped.screens.some((screen) => screen.startsWith("login")), `no password again: ${stepped.screens}`);
      const { amr, acr, auth_time } = claims(stepped.access_token);
      assert.deepEqual([...amr].sort(), ["mfa", "otp", "pwd"]);
      assert.equal(acr, PAPE);
      assert.equal(typeof auth_time, "number");
      assert.deepEqual([...claims(stepped.id_token).amr].sort(), ["mfa", "otp", "pwd"]);
      assert.deepEqual(await call("/transfer", stepped.access_token), { status: 200, body: { success: true } });
      assert.equal((await call("/transfer", plain.access_token)).status, 403);
    });

    test("a token for another API is refused", async () => {
      const other = await session.login({ audience: otherApi.identifier });
      assert.equal((await call("/profile", other.access_token, "GET")).status, 401);
    });

    test("a token signed with a shared secret is refused", async () => {
      assert.equal((await call("/profile", forged(plain.access_token), "GET")).status, 401);
    });

    test("a token that has expired is refused", async () => {
      // Issued by a clock that is two hours behind: the backend, which keeps the real time, gets it an hour too late.
      try {
        await moveClock({ advance_ms: -2 * 3_600_000 });
        const late = await session.login({ audience: api.identifier });
        assert.equal(late.expires_in, 3600);
        assert.equal((await call("/profile", late.access_token, "GET")).status, 401);
      } finally {
        await moveClock({ reset: true });
      }
    });

    test("an application's own token is valid but never counts as MFA", async () => {
      const own = await session.token({ grant_type: "client_credentials", audience: api.identifier });
      const said = claims(own.access_token);
      for (const name of ["amr", "acr", "auth_time"]) assert.equal(said[name], undefined, name);
      assert.equal((await call("/profile", own.access_token, "GET")).status, 200);
      assert.equal((await call("/transfer", own.access_token)).status, 403);
    });
  });
}

test("requireTOTP passes with an authenticator app and not without", async () => {
  const server = await serve(expressJwt({ domain, audience: api.identifier }));
  try {
    const session = new Session(application, await management.person());
    const send = async (token) =>
      (await fetch(`${server.base}/totp`, { method: "POST", headers: { authorization: `Bearer ${token}` } })).status;
    assert.equal(await send((await session.login({ audience: api.identifier })).access_token), 403);
    assert.equal(await send((await session.login({ audience: api.identifier, acr_values: PAPE })).access_token), 200);
  } finally {
    server.close();
  }
});

test("requiredScopes of express-oauth2-jwt-bearer sees the scope that was asked for", async () => {
  const server = await serve(jwtBearer({ domain, audience: api.identifier }));
  try {
    const session = new Session(application, await management.person());
    const send = async (scope) => {
      const { access_token } = await session.login({ audience: api.identifier, scope });
      return (await fetch(`${server.base}/scoped`, { headers: { authorization: `Bearer ${access_token}` } })).status;
    };
    assert.equal(await send("openid"), 403);
    assert.equal(await send("openid transfer:funds"), 200);
  } finally {
    server.close();
  }
});

test("the guide's five steps: factor and policy on, enrolment is forced, the claim is there, 200, and 403 without", async () => {
  const server = await serve(expressJwt({ domain, audience: api.identifier }));
  try {
    await management.put("guardian/policies", ["all-applications"]);
    const newcomer = await management.person();
    const login = await new Session(application, newcomer).login({ audience: api.identifier });
    assert.ok(login.screens.some((screen) => screen.startsWith("mfa-otp-enrollment")), login.screens.join());
    assert.ok(claims(login.id_token).amr.includes("mfa"));
    const send = async (token) => {
      const options = { method: "POST", headers: { authorization: `Bearer ${token}` } };
      const response = await fetch(`${server.base}/transfer`, options);
      return [response.status, (await response.json()).code];
    };
    assert.equal((await send(login.access_token))[0], 200);
    await management.put("guardian/policies", []);
    const without = await new Session(application, await management.person()).login({ audience: api.identifier });
    assert.deepEqual(await send(without.access_token), [403, "mfa_required"]);
  } finally {
    await management.put("guardian/policies", []);
    server.close();
  }
});
