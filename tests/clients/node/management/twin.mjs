// What the tests of the management client's methods share: the recorded client, and words for refusals.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { ManagementClient } from "auth0";
import { Management, Session, ready } from "../support/lockstep.mjs";
import { Recorder } from "./recorder.mjs";

export const server = ready();
export const domain = new URL(server.issuer).host;
export const NOBODY = "auth0|000000000000000000000000";
export const SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
export const recorder = new Recorder();

/** A client of the twin's machine application, or one with a token. */
export const connect = (token) =>
  new ManagementClient({
    domain,
    maxRetries: 0,
    ...(token
      ? { token }
      : { clientId: server.management.client_id, clientSecret: server.management.client_secret }),
  });

let current = connect();
/** The client under test. */
export const client = recorder.watch(() => current);
/** Forgets the token: what a key signed dies with the key. */
export const reconnect = () => {
  current = connect();
};

export const unique = (prefix = "t") => `${prefix}-${randomBytes(5).toString("hex")}`;

/** Expects the refusal with this status, and the machine's code for it where one is promised. */
export const refused = (promise, status, code) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.statusCode, status, `${error}`);
    assert.equal(error.body?.statusCode, status, "the body is the API's error object");
    if (code !== undefined) assert.equal(error.body.errorCode, code);
    return true;
  });

/** All items of a list, page by page. */
export async function all(page) {
  const items = [];
  for await (const item of await page) {
    items.push(item);
    assert.ok(items.length < 2000, "the pages never end");
  }
  return items;
}

export const management = new Management(server);
export const person = (properties) => management.person(properties);

/** A person who has logged in at an application, with a refresh token. */
export async function visitor({ application = {}, parameters = {} } = {}) {
  const someone = await person();
  const app = await management.application(application);
  const tokens = await new Session(app, someone).login({ scope: "openid profile email offline_access", ...parameters });
  assert.ok(tokens.access_token, JSON.stringify(tokens));
  return { ...someone, application: app, tokens };
}

/** Tries a password without a browser; returns the status. */
export async function tryPassword(app, username, password) {
  const response = await fetch(`${server.issuer}oauth/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "password",
      client_id: app.client_id,
      client_secret: app.client_secret,
      username,
      password,
    }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Asks until the answer is good; for what the server does after it has answered. */
export async function until(ask, good, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    assert.ok(Date.now() < end, `it never came: ${JSON.stringify(answer)}`);
  }
}
