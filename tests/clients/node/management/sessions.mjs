import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Session, claims } from "../support/lockstep.mjs";
import { NOBODY, all, client, connect, management, person, recorder, refused, server, unique, visitor } from "./twin.mjs";

const { users, sessions, refreshTokens } = client;

/** Whether an application's refresh token is still good; a good one is used by asking. */
async function refreshes(someone) {
  const response = await fetch(`${server.issuer}oauth/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: someone.application.client_id,
      client_secret: someone.application.client_secret,
      refresh_token: someone.tokens.refresh_token,
    }),
  });
  await response.arrayBuffer();
  return response.ok;
}

describe("sessions", () => {
  test("a session is listed, read, labelled and ended", async () => {
    const someone = await visitor();
    const [listed] = await all(users.sessions.list(someone.id));
    assert.equal(listed.user_id, someone.id);
    assert.deepEqual(listed.clients.map((app) => app.client_id), [someone.application.client_id]);

    const read = await sessions.get(listed.id);
    assert.equal(read.id, listed.id);
    assert.ok(Date.parse(read.expires_at) > Date.parse(read.authenticated_at));
    assert.equal(read.authentication.methods[0].name, "pwd");
    assert.match(read.device.initial_user_agent, /^Mozilla/);

    const labelled = await sessions.update(listed.id, { session_metadata: { desk: "4" } });
    assert.deepEqual(labelled.session_metadata, { desk: "4" });
    assert.deepEqual((await sessions.get(listed.id)).session_metadata, { desk: "4" });
    await sessions.delete(listed.id);
    await refused(sessions.get(listed.id), 404);
    assert.deepEqual(await all(users.sessions.list(someone.id)), []);
  });

  test("revoke ends a session and its refresh tokens", async () => {
    const someone = await visitor();
    const [session] = await all(users.sessions.list(someone.id));
    await sessions.revoke(session.id);
    await refused(sessions.get(session.id), 404);
    assert.equal(await refreshes(someone), false);
  });

  test("all of a user's sessions end, the refresh tokens live on", async () => {
    const someone = await visitor();
    await users.sessions.delete(someone.id);
    assert.deepEqual(await all(users.sessions.list(someone.id)), []);
    assert.equal(await refreshes(someone), true);
    await refused(users.sessions.list(NOBODY), 404, "inexistent_user");
  });

  test("revokeAccess ends sessions, and refresh tokens unless they are to be preserved", async () => {
    for (const preserve_refresh_tokens of [true, false]) {
      const someone = await visitor();
      await users.revokeAccess(someone.id, { preserve_refresh_tokens });
      assert.deepEqual(await all(users.sessions.list(someone.id)), []);
      assert.equal(await refreshes(someone), preserve_refresh_tokens);
    }
  });
});

describe("refresh tokens", () => {
  test("a token is listed, read, labelled and removed", async () => {
    const someone = await visitor();
    const [hers] = await all(users.refreshToken.list(someone.id));
    assert.equal(hers.user_id, someone.id);
    assert.equal(hers.client_id, someone.application.client_id);
    const everywhere = await all(refreshTokens.list({ user_id: someone.id, client_id: someone.application.client_id }));
    assert.deepEqual(everywhere.map((token) => token.id), [hers.id]);

    const read = await refreshTokens.get(hers.id);
    assert.equal(read.id, hers.id);
    assert.equal(typeof read.rotating, "boolean");
    assert.ok(!JSON.stringify(read).includes(someone.tokens.refresh_token), "the token itself is not shown");
    await refreshTokens.update(hers.id, { refresh_token_metadata: { device: "till" } });
    assert.deepEqual((await refreshTokens.get(hers.id)).refresh_token_metadata, { device: "till" });

    await refreshTokens.delete(hers.id);
    await refused(refreshTokens.get(hers.id), 404);
    assert.equal(await refreshes(someone), false);
  });

  test("tokens are revoked by their ids, and all of a user's", async () => {
    const [one, another] = [await visitor(), await visitor()];
    const [token] = await all(users.refreshToken.list(one.id));
    await refreshTokens.revoke({ ids: [token.id] });
    assert.equal(await refreshes(one), false);
    await refreshTokens.revoke({ user_id: another.id });
    assert.equal(await refreshes(another), false);

    const third = await visitor();
    await users.refreshToken.delete(third.id);
    assert.deepEqual(await all(users.refreshToken.list(third.id)), []);
    assert.equal(await refreshes(third), false);
    await refused(users.refreshToken.list(NOBODY), 404, "inexistent_user");
  });
});

describe("grants", () => {
  const consent = async () => {
    const api = await management.api();
    const someone = await visitor({
      application: { is_first_party: false },
      parameters: { audience: api.identifier, scope: "openid transfer:funds" },
    });
    return { ...someone, api };
  };

  test("what a person consented to is listed, and withdrawn one by one or all at once", async () => {
    const someone = await consent();
    const grants = await all(client.userGrants.list({ user_id: someone.id }));
    const grant = grants.find((given) => given.audience === someone.api.identifier);
    assert.equal(grant.clientID, someone.application.client_id);
    assert.deepEqual(grant.scope.filter((scope) => scope !== "openid"), ["transfer:funds"]);
    await client.userGrants.delete(grant.id);
    const left = await all(client.userGrants.list({ user_id: someone.id }));
    assert.ok(!left.some((given) => given.id === grant.id));

    const other = await consent();
    await client.userGrants.deleteByUserId({ user_id: other.id });
    assert.deepEqual(await all(client.userGrants.list({ user_id: other.id })), []);
  });
});

describe("device credentials", () => {
  test("a person adds a public key, which is listed and removed", async () => {
    const [someone, app] = [await person(), await management.application()];
    const tokens = await new Session(app, someone).login({
      audience: management.audience,
      scope: "openid create:current_user_device_credentials",
    });
    assert.match(claims(tokens.access_token).scope, /create:current_user_device_credentials/);
    const hers = recorder.watch(() => connect(tokens.access_token));
    const device = { device_name: "Till", device_id: unique("device"), type: "public_key", value: "bm90LWEta2V5" };
    const made = await hers.deviceCredentials.createPublicKey(device);
    assert.match(made.id, /^dcr_/);

    const [listed] = await all(client.deviceCredentials.list({ user_id: someone.id, type: "public_key" }));
    assert.equal(listed.id, made.id);
    assert.equal(listed.device_name, "Till");
    await client.deviceCredentials.delete(made.id);
    assert.deepEqual(await all(client.deviceCredentials.list({ user_id: someone.id, type: "public_key" })), []);
    await refused(client.deviceCredentials.createPublicKey(device), 403, "insufficient_scope");
  });
});
