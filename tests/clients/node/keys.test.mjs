// Security keys, keys of the device and passkeys among the authentication methods, by the official Node SDK; virtual keys answer.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ManagementClient } from "auth0";
import { Browser } from "./support/browser.mjs";
import { VirtualKey } from "./support/keys.mjs";
import { claims, CONNECTION, Management, PAPE, ready, Session } from "./support/lockstep.mjs";

const server = ready();
const management = new Management();
const GRANT = "urn:okta:params:oauth:grant-type:webauthn";
const client = new ManagementClient({
  domain: new URL(server.issuer).host,
  clientId: server.management.client_id,
  clientSecret: server.management.client_secret,
});
const methods = client.users.authenticationMethods;
const refusedWith = (status) => (error) => {
  assert.equal(error.statusCode, status, `${error}`);
  return true;
};
let web, native;

before(async () => {
  for (const { name } of await client.guardian.factors.list()) {
    await client.guardian.factors.set(name, { enabled: name.startsWith("webauthn-") });
  }
  const [connection] = await management.get(`connections?name=${CONNECTION}`);
  connection.options.authentication_methods = { ...connection.options.authentication_methods, passkey: { enabled: true } };
  // They are added by the API here.
  connection.options.passkey_options = { ...connection.options.passkey_options, progressive_enrollment_enabled: false };
  await management.patch(`connections/${connection.id}`, { options: connection.options });
  web = await management.application();
  native = await management.application({ app_type: "native", token_endpoint_auth_method: "none", grant_types: [GRANT] });
});

// A ticket has one address for all of its screens.
const shown = (page) => page.html.match(/data-screen="([^"]*)"/)?.[1];

/** Enrols a key by a ticket, and names it. */
async function enrol(person, kind, factor) {
  const key = await VirtualKey.make(kind);
  const ticket = await client.guardian.enrollments.createTicket({ user_id: person.id, factor, allow_multiple_enrollments: true });
  const browser = new Browser(server.https);
  let page = await browser.submit(await browser.open(ticket.ticket_url), {});
  assert.equal(shown(page), `mfa-${factor}-enrollment`, page.text);
  page = await key.answer(browser, page);
  page = await browser.submit(page, { nickname: "Blue" });
  assert.equal(shown(page), "mfa-enroll-result", page.text);
  return key;
}

async function send(path, body) {
  const response = await fetch(server.issuer + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_id: native.client_id, ...body }),
  });
  return { status: response.status, ...(await response.json()) };
}
const redeem = ({ auth_session }, authn_response) =>
  send("oauth/token", { grant_type: GRANT, scope: "openid", auth_session, authn_response });

async function signUp(kind) {
  const key = await VirtualKey.make(kind);
  const email = `${key.id.replace("_", "")}@example.test`;
  const begun = await send("passkey/register", { user_profile: { email } });
  const tokens = await redeem(begun, await key.create(begun.authn_params_public_key));
  return { key, id: claims(tokens.id_token).sub };
}
async function logIn(key) {
  const begun = await send("passkey/challenge");
  return redeem(begun, await key.get(begun.authn_params_public_key));
}

describe("webauthn-roaming", () => {
  test("is listed, read, renamed and deleted, and opens the account no more", async () => {
    const person = await management.person();
    person.key = await enrol(person, "security-key", "webauthn-roaming");
    const login = await new Session(web, person).login({ acr_values: PAPE });
    assert.deepEqual(login.screens, ["login", "mfa-webauthn-roaming-challenge"]);
    assert.deepEqual(claims(login.id_token).amr, ["pwd", "mfa", "pop", "hwk"]);
    const [made] = (await methods.list(person.id)).data;
    assert.deepEqual([made.type, made.name, made.confirmed], ["webauthn-roaming", "Blue", true]);
    assert.ok(made.key_id && made.public_key && made.last_auth_at, JSON.stringify(made));
    assert.equal(made.relying_party_identifier, "localhost");
    assert.equal((await methods.update(person.id, made.id, { name: "Green" })).name, "Green");
    assert.equal((await methods.get(person.id, made.id)).name, "Green");
    assert.deepEqual((await client.users.enrollments.get(person.id)).map((one) => one.auth_method), ["webauthn-roaming"]);
    await methods.delete(person.id, made.id);
    await assert.rejects(methods.get(person.id, made.id), refusedWith(404));
    await assert.rejects(new Session(web, person).login({ acr_values: PAPE }), /mfa-webauthn-roaming-enrollment/);
  });

  test("is moved to another account by its public key, and answers there", async () => {
    const [one, other] = [await management.person(), await management.person()];
    const key = await enrol(one, "security-key", "webauthn-roaming");
    const [{ key_id, public_key, relying_party_identifier }] = (await methods.list(one.id)).data;
    const made = await methods.create(other.id, { type: "webauthn-roaming", name: "Moved", key_id, public_key, relying_party_identifier });
    assert.deepEqual([made.type, made.key_id, made.public_key], ["webauthn-roaming", key_id, public_key]);
    await assert.rejects(methods.create(other.id, { type: "webauthn-roaming", name: "Twice", key_id, public_key }), refusedWith(409));
    await assert.rejects(
      methods.create(other.id, { type: "webauthn-roaming", name: "Broken", key_id: `${key_id}AAAA`, public_key: "AAAA" }),
      refusedWith(400),
    );
    const login = await new Session(web, { ...other, key }).login({ acr_values: PAPE });
    assert.deepEqual(claims(login.id_token).amr.slice(0, 3), ["pwd", "mfa", "pop"]);
  });
});

describe("webauthn-platform", () => {
  test("is enrolled beside a security key, listed, read, renamed and deleted; it is not made by the API", async () => {
    const person = await management.person();
    await enrol(person, "security-key", "webauthn-roaming");
    await enrol(person, "device", "webauthn-platform");
    const made = (await methods.list(person.id)).data.find((method) => method.type === "webauthn-platform");
    assert.deepEqual([made.name, made.confirmed], ["Blue", true]);
    await methods.update(person.id, made.id, { name: "Laptop" });
    assert.equal((await methods.get(person.id, made.id)).name, "Laptop");
    const { key_id, public_key } = made;
    await assert.rejects(methods.create(person.id, { type: "webauthn-platform", key_id, public_key }), refusedWith(400));
    await methods.delete(person.id, made.id);
    assert.deepEqual((await methods.list(person.id)).data.map((method) => method.type), ["webauthn-roaming"]);
  });
});

describe("passkey", () => {
  test("is listed whole, read, renamed, and deleted it logs nobody in", async () => {
    const { key, id } = await signUp("synced");
    const [made] = (await methods.list(id)).data;
    assert.deepEqual(
      [made.type, made.credential_device_type, made.credential_backed_up, made.relying_party_identifier, made.identity_user_id],
      ["passkey", "multi_device", true, "localhost", id.split("|")[1]],
    );
    assert.deepEqual(made.transports, ["internal"]);
    assert.ok(made.key_id && made.public_key && made.user_handle && made.aaguid, JSON.stringify(made));
    await methods.update(id, made.id, { name: "Phone" });
    assert.equal((await methods.get(id, made.id)).name, "Phone");
    assert.equal(claims((await logIn(key)).id_token).sub, id);
    await methods.delete(id, made.id);
    assert.deepEqual((await methods.list(id)).data, []);
    assert.equal((await logIn(key)).status, 404);
  });

  test("is brought along with its public key, and logs its owner in", async () => {
    const { key, id } = await signUp("device");
    const [old] = (await methods.list(id)).data;
    await methods.delete(id, old.id);
    const { key_id, public_key, relying_party_identifier, user_handle, credential_device_type, aaguid, transports } = old;
    const made = await methods.create(id, {
      type: "passkey", name: "Imported", key_id, public_key, relying_party_identifier, user_handle, credential_device_type, aaguid,
      transports, credential_backed_up: false, identity_user_id: id.split("|")[1],
    });
    assert.deepEqual([made.type, made.key_id, made.user_handle], ["passkey", key_id, user_handle]);
    assert.equal(claims((await logIn(key)).id_token).sub, id);
    const other = await management.person();
    await assert.rejects(methods.create(other.id, { type: "passkey", key_id, public_key }), refusedWith(409));
    await assert.rejects(methods.deleteAll(id), refusedWith(403));
  });
});
