import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { CONNECTION } from "../support/lockstep.mjs";
import { all, client, domain, management, person, refused, server, unique } from "./twin.mjs";

const { clients, clientGrants, resourceServers, connections } = client;

async function mayHaveTokens(app, secret, audience) {
  const response = await fetch(`${server.issuer}oauth/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", client_id: app.client_id, client_secret: secret, audience }),
  });
  await response.arrayBuffer();
  return response.ok;
}

describe("clients", () => {
  test("a client is made, listed, changed and removed", async () => {
    const made = await clients.create({ name: unique("Shop"), app_type: "spa", callbacks: ["https://shop.example.test/"] });
    assert.equal(made.token_endpoint_auth_method, "none");
    assert.ok((await all(clients.list({ per_page: 20 }))).some((app) => app.client_id === made.client_id));
    const short = await clients.get(made.client_id, { fields: "name", include_fields: true });
    assert.deepEqual([short.name, short.callbacks], [made.name, undefined]);
    const changed = await clients.update(made.client_id, { description: "Sells", client_metadata: { floor: "2" } });
    assert.equal(changed.description, "Sells");
    assert.deepEqual((await clients.get(made.client_id)).client_metadata, { floor: "2" });
    await clients.delete(made.client_id);
    await refused(clients.get(made.client_id), 404, "inexistent_client");
  });

  test("one client is the global one", async () => {
    const found = await all(clients.list({ is_global: true }));
    assert.deepEqual(found.map((app) => [app.name, app.global]), [["All Applications", true]]);
  });

  test("a new secret ends the old one", async () => {
    const [app, api] = [await management.application(), await management.api()];
    await management.grant(app, api);
    assert.ok(await mayHaveTokens(app, app.client_secret, api.identifier));
    const rotated = await clients.rotateSecret(app.client_id);
    assert.notEqual(rotated.client_secret, app.client_secret);
    assert.equal(await mayHaveTokens(app, app.client_secret, api.identifier), false);
    assert.ok(await mayHaveTokens(app, rotated.client_secret, api.identifier));
  });

  test("a client's keys are added, listed, given an end and removed", async () => {
    const app = await management.application();
    const pem = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" });
    const key = { credential_type: "public_key", name: "ci", pem, alg: "RS256" };
    const made = await clients.credentials.create(app.client_id, key);
    assert.match(made.id, /^cred_\w{22}$/);
    assert.deepEqual((await clients.credentials.list(app.client_id)).map((key) => key.id), [made.id]);
    const expires_at = "2031-01-15T09:30:12.345Z";
    await clients.credentials.update(app.client_id, made.id, { expires_at });
    const read = await clients.credentials.get(app.client_id, made.id);
    assert.equal(read.expires_at, expires_at);
    assert.equal(read.kid, made.kid);
    await clients.credentials.delete(app.client_id, made.id);
    await refused(clients.credentials.get(app.client_id, made.id), 404);
  });

  test("a client's connections are those that are on for it", async () => {
    const app = await management.application();
    const on = async () => (await all(clients.connections.get(app.client_id))).map((connection) => connection.name);
    assert.deepEqual(await on(), [CONNECTION]);
    const database = await connections.create({ name: unique("db"), strategy: "auth0", enabled_clients: [app.client_id] });
    assert.deepEqual((await on()).sort(), [CONNECTION, database.name].sort());
  });
});

describe("resource servers and client grants", () => {
  test("an API is made, read by its id and identifier, changed and removed", async () => {
    const identifier = `https://${unique("api")}.example.test/v1?x=y`;
    const made = await resourceServers.create({ name: "Funds", identifier, scopes: [{ value: "read:funds" }] });
    assert.equal(made.signing_alg, "RS256");
    assert.equal((await resourceServers.get(made.id)).identifier, identifier);
    assert.equal((await resourceServers.get(identifier)).id, made.id);
    assert.deepEqual((await all(resourceServers.list({ identifiers: [identifier] }))).map((api) => api.id), [made.id]);
    assert.ok((await all(resourceServers.list())).some((api) => api.is_system && api.identifier === `https://${domain}/api/v2/`));
    const scopes = [{ value: "move:funds", description: "Move" }];
    assert.equal((await resourceServers.update(made.id, { token_lifetime: 600, scopes })).token_lifetime, 600);
    assert.deepEqual((await resourceServers.get(made.id)).scopes, scopes);
    await refused(resourceServers.create({ identifier }), 409);
    await resourceServers.delete(made.id);
    await refused(resourceServers.get(made.id), 404, "inexistent_resource_server");
  });

  test("a grant lets a client have tokens, with its scopes, until it is withdrawn", async () => {
    const [app, api] = [await management.application(), await management.api()];
    const grant = await clientGrants.create({ client_id: app.client_id, audience: api.identifier, scope: [] });
    assert.match(grant.id, /^cgr_\w{16}$/);
    assert.deepEqual((await all(clientGrants.list({ client_id: app.client_id }))).map((given) => given.id), [grant.id]);
    await clientGrants.update(grant.id, { scope: ["transfer:funds"] });
    assert.deepEqual((await clientGrants.get(grant.id)).scope, ["transfer:funds"]);
    assert.deepEqual(await all(clientGrants.organizations.list(grant.id)), []);
    assert.ok(await mayHaveTokens(app, app.client_secret, api.identifier));
    await refused(clientGrants.create({ client_id: app.client_id, audience: api.identifier, scope: [] }), 409);
    await clientGrants.delete(grant.id);
    await refused(clientGrants.get(grant.id), 404, "inexistent_client_grant");
    assert.equal(await mayHaveTokens(app, app.client_secret, api.identifier), false);
  });
});

describe("connections", () => {
  test("a database is made, listed, changed and removed", async () => {
    const name = unique("db");
    const made = await connections.create({ name, strategy: "auth0" });
    assert.equal(made.options.passwordPolicy, "good");
    assert.deepEqual((await all(connections.list({ name }))).map((connection) => connection.id), [made.id]);
    const short = await connections.get(made.id, { fields: "name", include_fields: true });
    assert.deepEqual([short.name, short.options], [name, undefined]);
    const options = { ...made.options, passwordPolicy: "excellent" };
    await connections.update(made.id, { display_name: "Staff", options });
    const read = await connections.get(made.id);
    assert.equal(read.display_name, "Staff");
    assert.equal(read.options.passwordPolicy, "excellent");
    await connections.checkStatus(made.id);
    await refused(connections.checkStatus("con_0000000000000000"), 404, "inexistent_connection");
    assert.deepEqual(await connections.keys.get(made.id), []);
    await refused(connections.create({ name, strategy: "auth0" }), 409);
    await connections.delete(made.id);
    await refused(connections.get(made.id), 404, "inexistent_connection");
  });

  test("a database is switched on and off for a client", async () => {
    const app = await management.application();
    const database = await connections.create({ name: unique("db"), strategy: "auth0" });
    const on = async () => (await all(connections.clients.get(database.id))).some((given) => given.client_id === app.client_id);
    for (const status of [true, false]) {
      await connections.clients.update(database.id, [{ client_id: app.client_id, status }]);
      assert.equal(await on(), status);
    }
  });

  test("a user of a database is removed by the address", async () => {
    const database = await connections.create({ name: unique("db"), strategy: "auth0" });
    const someone = await person({ connection: database.name });
    await connections.users.deleteByEmail(database.id, { email: someone.email });
    await refused(client.users.get(someone.id), 404, "inexistent_user");
  });

  test("no database has SCIM or a directory", async () => {
    const database = await connections.create({ name: unique("db"), strategy: "auth0" });
    await refused(connections.scimConfiguration.get(database.id), 404);
    await refused(connections.directoryProvisioning.get(database.id), 404);
  });
});
