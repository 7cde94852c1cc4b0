// Lists in pages: the client goes from page to page, by number or by the `next` of a checkpoint.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { SEED, all, client, management, person, unique } from "./twin.mjs";

describe("lists in pages of one", () => {
  const made = {};
  before(async () => {
    const api = await management.api({ scopes: [{ value: "read:it" }, { value: "write:it" }] });
    const permissions = api.scopes.map(({ value }) => ({ resource_server_identifier: api.identifier, permission_name: value }));
    const roles = [await client.roles.create({ name: unique("role") }), await client.roles.create({ name: unique("role") })];
    const people = [await person(), await person()];
    const [{ id }] = people;
    await client.roles.permissions.add(roles[0].id, { permissions });
    await client.roles.users.assign(roles[0].id, { users: people.map((someone) => someone.id) });
    await client.users.roles.assign(id, { roles: roles.map((role) => role.id) });
    await client.users.permissions.create(id, { permissions });
    await client.users.authenticationMethods.create(id, { type: "totp", totp_secret: SEED });
    await client.users.authenticationMethods.create(id, { type: "phone", phone_number: "+15005554415" });
    const lost = await client.users.authenticationMethods.create(id, { type: "phone", phone_number: "+15005554416" });
    await client.users.authenticationMethods.delete(id, lost.id);
    const app = await management.application();
    await management.grant(app, api);
    await management.grant(app, await management.api());
    const connection = await client.connections.create({ name: unique("db"), strategy: "auth0" });
    const switches = [app, await management.application()].map(({ client_id }) => ({ client_id, status: true }));
    await client.connections.clients.update(connection.id, switches);
    Object.assign(made, { id, role: roles[0].id, app: app.client_id, connection: connection.id });
  });

  const walked = (name, list, key, size = "per_page") =>
    test(name, async () => {
      const whole = (await list({ [size]: 100 })).data.map(key);
      assert.ok(whole.length > 1, "there is more than one page");
      assert.deepEqual((await all(list({ [size]: 1 }))).map(key), whole);
    });
  const id = (item) => item.id;
  const name = (item) => item.permission_name;

  walked("users", (query) => client.users.list({ ...query, sort: "created_at:1" }), (user) => user.user_id);
  walked("clients", (query) => client.clients.list(query), (app) => app.client_id);
  walked("APIs", (query) => client.resourceServers.list(query), id);
  walked("roles", (query) => client.roles.list(query), id);
  walked("a role's permissions", (query) => client.roles.permissions.list(made.role, query), name);
  walked("a user's roles", (query) => client.users.roles.list(made.id, query), id);
  walked("a user's permissions", (query) => client.users.permissions.list(made.id, query), name);
  walked("a user's methods", (query) => client.users.authenticationMethods.list(made.id, query), id);
  walked("a user's log", (query) => client.users.logs.list(made.id, query), (record) => record.log_id);
  walked("client grants", (query) => client.clientGrants.list({ ...query, client_id: made.app }), id, "take");
  walked("connections", (query) => client.connections.list(query), id, "take");
  walked("a client's connections", (query) => client.clients.connections.get(made.app, query), id, "take");
  const switched = (query) => client.connections.clients.get(made.connection, query);
  walked("a connection's clients", switched, (app) => app.client_id, "take");
  walked("a role's users", (query) => client.roles.users.list(made.role, query), (user) => user.user_id, "take");
});
