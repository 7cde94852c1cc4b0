import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONNECTION } from "../support/lockstep.mjs";
import { NOBODY, SEED, all, client, management, person, refused, tryPassword, unique } from "./twin.mjs";

const { users } = client;

describe("users", () => {
  test("a user is made with the defaults filled in, found in several ways, changed and removed", async () => {
    const email = `${unique("Ann")}@example.test`;
    const made = await users.create({ connection: CONNECTION, email, password: "Correct-horse-battery-9", given_name: "Ann" });
    assert.match(made.user_id, /^auth0\|[0-9a-f]{24}$/);
    assert.equal(made.email, email.toLowerCase());
    assert.deepEqual([made.email_verified, made.nickname], [false, made.email.split("@")[0]]);
    assert.equal(made.identities[0].connection, CONNECTION);
    await refused(users.create({ connection: CONNECTION, email: made.email, password: "Correct-horse-battery-9" }), 409);

    assert.equal((await users.get(made.user_id)).given_name, "Ann");
    for (const q of [`email:"${made.email}"`, `email:${made.email}`, `given_name:ann AND email:${made.nickname}*`]) {
      assert.deepEqual((await users.list({ q, search_engine: "v3" })).data.map((user) => user.user_id), [made.user_id], q);
    }
    assert.deepEqual((await users.list({ q: "email:nobody@example.test" })).data, []);
    assert.deepEqual((await users.listUsersByEmail({ email: made.email })).map((user) => user.user_id), [made.user_id]);

    const changed = await users.update(made.user_id, { blocked: true, app_metadata: { plan: "gold" } });
    assert.equal(changed.blocked, true);
    assert.deepEqual((await users.get(made.user_id)).app_metadata, { plan: "gold" });

    await users.delete(made.user_id);
    await refused(users.get(made.user_id), 404, "inexistent_user");
  });

  test("an update merges the metadata", async () => {
    const someone = await person({ user_metadata: { country: "NL" } });
    const updated = await users.update(someone.id, { nickname: "annie", user_metadata: { theme: "dark" } });
    assert.equal(updated.nickname, "annie");
    assert.deepEqual((await users.get(someone.id)).user_metadata, { country: "NL", theme: "dark" });
  });

  test("fields leaves out what was not asked for", async () => {
    const someone = await person({ nickname: "fields" });
    assert.deepEqual(await users.get(someone.id, { fields: "nickname", include_fields: true }), { nickname: "fields" });
    const rest = await users.get(someone.id, { fields: "nickname", include_fields: false });
    assert.equal(rest.nickname, undefined);
    assert.equal(rest.user_id, someone.id);
  });

  test("a user's log is hers alone", async () => {
    const someone = await person();
    const records = await all(users.logs.list(someone.id, { per_page: 10 }));
    assert.ok(records.length > 0, "her sign-up is in it");
    assert.ok(records.every((record) => record.user_id === someone.id));
    assert.ok(records.some((record) => record.type === "ss"));
    const oldestFirst = (await users.logs.list(someone.id, { sort: "date:1", per_page: 1 })).data;
    assert.equal(oldestFirst.length, 1);
  });

  test("a second account is linked and parted again", async () => {
    const [ann, other] = [await person(), await person()];
    const second = other.id.split("|")[1];
    const linked = await users.identities.link(ann.id, { provider: "auth0", user_id: second });
    assert.deepEqual(linked.map((identity) => identity.user_id), [ann.id.split("|")[1], second]);
    assert.equal(linked[1].profileData.email, other.email);
    assert.equal((await users.get(ann.id)).identities.length, 2);
    await refused(users.get(other.id), 404);

    const left = await users.identities.delete(ann.id, "auth0", second);
    assert.deepEqual(left.map((identity) => identity.user_id), [ann.id.split("|")[1]]);
    assert.equal((await users.get(ann.id)).identities.length, 1);
    assert.equal((await users.get(other.id)).email, other.email);
  });

  test("nobody is in an organization or a group, or has accounts connected", async () => {
    const someone = await person();
    assert.deepEqual(await all(users.organizations.list(someone.id)), []);
    assert.deepEqual(await all(users.groups.get(someone.id)), []);
    assert.deepEqual(await all(users.connectedAccounts.list(someone.id)), []);
    await refused(users.organizations.list(NOBODY), 404, "inexistent_user");
  });
});

describe("a user's second factors", () => {
  const methods = users.authenticationMethods;
  const typesOf = async (id) => (await methods.list(id)).data.map((method) => method.type).filter((type) => type !== "password");

  test("a method is made, listed, read, named and removed", async () => {
    const someone = await person();
    const made = await methods.create(someone.id, { type: "phone", phone_number: "+15005554412", name: "Mine" });
    assert.match(made.id, /^phone\|dev_\w{16}$/);
    assert.deepEqual(await typesOf(someone.id), ["phone"]);
    const read = await methods.get(someone.id, made.id);
    assert.equal(read.confirmed, true);
    assert.equal(read.phone_number, "XXXXXXXX4412");
    const changed = await methods.update(someone.id, made.id, { name: "Hers", preferred_authentication_method: "voice" });
    assert.equal(changed.name, "Hers");
    assert.equal((await methods.get(someone.id, made.id)).preferred_authentication_method, "voice");
    await refused(methods.create(someone.id, { type: "phone", phone_number: "+15005554412" }), 409);
    await methods.delete(someone.id, made.id);
    await refused(methods.get(someone.id, made.id), 404);
  });

  test("set replaces all, and deleteAll leaves none", async () => {
    const someone = await person();
    await methods.create(someone.id, { type: "totp", totp_secret: SEED });
    assert.ok(!JSON.stringify((await methods.list(someone.id)).data).includes(SEED), "a list never shows a secret");
    const set = await methods.set(someone.id, [
      { type: "phone", phone_number: "+15005554413" },
      { type: "email", email: "second@example.test" },
    ]);
    assert.deepEqual(set.map((method) => method.type), ["phone", "email"]);
    assert.deepEqual((await typesOf(someone.id)).sort(), ["email", "phone"]);
    assert.deepEqual((await users.get(someone.id)).multifactor, ["guardian"]);
    await methods.deleteAll(someone.id);
    assert.deepEqual(await typesOf(someone.id), []);
    assert.equal((await users.get(someone.id)).multifactor, undefined);
  });

  test("authenticators.deleteAll and multifactor.deleteProvider take factors away", async () => {
    const someone = await person();
    await methods.create(someone.id, { type: "totp", totp_secret: SEED });
    const [enrolment] = await users.enrollments.get(someone.id);
    assert.equal(enrolment.status, "confirmed");
    assert.equal(enrolment.auth_method, "authenticator");
    await methods.create(someone.id, { type: "phone", phone_number: "+15005554414" });
    await users.multifactor.deleteProvider(someone.id, "google-authenticator");
    assert.deepEqual(await typesOf(someone.id), ["phone"]);
    await users.authenticators.deleteAll(someone.id);
    assert.deepEqual(await typesOf(someone.id), []);
    assert.deepEqual(await users.enrollments.get(someone.id), []);
    await refused(users.multifactor.deleteProvider(someone.id, "carrier-pigeon"), 400, "invalid_uri");
  });

  test("a recovery code is new each time; remembered browsers and devices are forgotten", async () => {
    const someone = await person();
    const codes = [await users.regenerateRecoveryCode(someone.id), await users.regenerateRecoveryCode(someone.id)];
    assert.match(codes[0].recovery_code, /^[A-Z0-9]{24}$/);
    assert.notEqual(codes[0].recovery_code, codes[1].recovery_code);
    await users.multifactor.invalidateRememberBrowser(someone.id);
    await users.riskAssessments.clear(someone.id, { connection: CONNECTION, assessors: ["new-device"] });
    await refused(users.regenerateRecoveryCode(NOBODY), 404, "inexistent_user");
    await refused(users.riskAssessments.clear(someone.id, { connection: CONNECTION }), 400, "invalid_body");
  });
});

describe("roles and permissions", () => {
  const permission = (api, name = "transfer:funds") => ({ resource_server_identifier: api.identifier, permission_name: name });

  test("a role is made, changed, found by its name and removed", async () => {
    const name = unique("role");
    const made = await client.roles.create({ name, description: "Tellers" });
    assert.match(made.id, /^rol_\w{16}$/);
    assert.equal((await client.roles.update(made.id, { description: "Clerks" })).description, "Clerks");
    assert.deepEqual(
      (({ id, description }) => ({ id, description }))(await client.roles.get(made.id)),
      { id: made.id, description: "Clerks" },
    );
    assert.deepEqual((await client.roles.list({ name_filter: name.toUpperCase() })).data.map((role) => role.id), [made.id]);
    await refused(client.roles.create({ name }), 409);
    await client.roles.delete(made.id);
    await refused(client.roles.get(made.id), 404);
  });

  test("a role's permissions and members are hers too", async () => {
    const [someone, api] = [await person(), await management.api()];
    const role = await client.roles.create({ name: unique("role") });
    await client.roles.permissions.add(role.id, { permissions: [permission(api)] });
    assert.deepEqual(await all(client.roles.permissions.list(role.id)), [
      { ...permission(api), resource_server_name: api.name, description: "Transfer money" },
    ]);
    await client.roles.users.assign(role.id, { users: [someone.id] });
    assert.deepEqual((await all(client.roles.users.list(role.id))).map((user) => user.user_id), [someone.id]);
    assert.deepEqual((await all(users.roles.list(someone.id))).map((given) => given.id), [role.id]);

    const [hers] = await all(users.permissions.list(someone.id));
    assert.equal(hers.permission_name, "transfer:funds");
    assert.deepEqual(hers.sources, [{ source_id: role.id, source_name: role.name, source_type: "ROLE" }]);
    const roles = await all(users.effectiveRoles.list(someone.id));
    assert.deepEqual(roles.map((given) => [given.id, given.sources]), [[role.id, ["direct"]]]);
    const effective = await all(users.effectivePermissions.list(someone.id, { resource_server_identifier: api.identifier }));
    assert.deepEqual(effective.map((given) => [given.permission_name, given.sources]), [["transfer:funds", ["roles"]]]);

    await client.roles.permissions.delete(role.id, { permissions: [permission(api)] });
    assert.deepEqual(await all(client.roles.permissions.list(role.id)), []);
    assert.deepEqual(await all(users.permissions.list(someone.id)), []);
  });

  test("roles and permissions are given to a user and taken back", async () => {
    const [someone, api] = [await person(), await management.api()];
    const role = await client.roles.create({ name: unique("role") });
    await users.roles.assign(someone.id, { roles: [role.id] });
    assert.deepEqual((await all(users.roles.list(someone.id))).map((given) => given.id), [role.id]);
    await users.roles.delete(someone.id, { roles: [role.id] });
    assert.deepEqual(await all(users.roles.list(someone.id)), []);

    await users.permissions.create(someone.id, { permissions: [permission(api)] });
    const [direct] = await all(users.permissions.list(someone.id));
    assert.equal(direct.resource_server_identifier, api.identifier);
    assert.equal(direct.sources[0].source_type, "DIRECT");
    await users.permissions.delete(someone.id, { permissions: [permission(api)] });
    assert.deepEqual(await all(users.permissions.list(someone.id)), []);
    await refused(users.roles.assign(someone.id, { roles: ["rol_0000000000000000"] }), 400);
    await refused(users.permissions.create(someone.id, { permissions: [permission(api, "fly")] }), 400);
  });

  test("no group has a role", async () => {
    const role = await client.roles.create({ name: unique("role") });
    assert.deepEqual(await all(client.roles.groups.get(role.id)), []);
  });
});

describe("blocks of guessing", () => {
  const guess = async (app, someone, times) => {
    for (let n = 0; n < times; n += 1) await tryPassword(app, someone.email, "wrong");
  };
  const application = () => management.application({ grant_types: ["password"] });

  test("too many wrong passwords block an address until the block is lifted, by address or by id", async () => {
    const [app, someone] = [await application(), await person()];
    const lift = [
      () => client.userBlocks.deleteByIdentifier({ identifier: someone.email }),
      () => client.userBlocks.delete(someone.id),
    ];
    for (const lifted of lift) {
      await guess(app, someone, 10);
      const { blocked_for } = await client.userBlocks.listByIdentifier({ identifier: someone.email });
      assert.equal(blocked_for.length, 1);
      assert.equal(blocked_for[0].identifier, someone.email);
      assert.deepEqual((await client.userBlocks.list(someone.id)).blocked_for, blocked_for);
      assert.equal(await tryPassword(app, someone.email, someone.password), 429);
      await lifted();
      assert.deepEqual((await client.userBlocks.listByIdentifier({ identifier: someone.email })).blocked_for, []);
      assert.deepEqual((await client.userBlocks.list(someone.id)).blocked_for, []);
      assert.notEqual(await tryPassword(app, someone.email, someone.password), 429);
    }
    await refused(client.userBlocks.list(NOBODY), 404, "inexistent_user");
  });
});
