import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NOBODY, all, client, refused, server, visitor } from "./twin.mjs";

const { users, sessions } = client;

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
  test("a session is listed and read", async () => {
    const someone = await visitor();
    const [listed] = await all(users.sessions.list(someone.id));
    assert.equal(listed.user_id, someone.id);
    assert.deepEqual(listed.clients.map((app) => app.client_id), [someone.application.client_id]);

    const read = await sessions.get(listed.id);
    assert.equal(read.id, listed.id);
    assert.ok(Date.parse(read.expires_at) > Date.parse(read.authenticated_at));
    assert.equal(read.authentication.methods[0].name, "pwd");
    assert.match(read.device.initial_user_agent, /^Mozilla/);
  });

  test("all of a user's sessions end, the refresh tokens live on", async () => {
    const someone = await visitor();
    await users.sessions.delete(someone.id);
    assert.deepEqual(await all(users.sessions.list(someone.id)), []);
    assert.equal(await refreshes(someone), true);
    await refused(users.sessions.list(NOBODY), 404, "inexistent_user");
  });
});
