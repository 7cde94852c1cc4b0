import assert from "node:assert/strict";
import { Blob } from "node:buffer";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { CONNECTION } from "../support/lockstep.mjs";
import {
  NOBODY,
  SEED,
  all,
  client,
  connect,
  management,
  person,
  reconnect,
  recorder,
  refused,
  server,
  unique,
  until,
  visitor,
} from "./twin.mjs";

describe("logs", () => {
  test("records are searched, walked and read", async () => {
    const someone = await person();
    const [record] = (await client.logs.list({ search: `user_id:"${someone.id}" AND type:ss`, per_page: 5 })).data;
    assert.equal(record.type, "ss");
    assert.equal(record.log_id, record._id);
    const read = await client.logs.get(record.log_id);
    assert.equal(read.user_id, someone.id);
    assert.equal(read.date, record.date);
    const page = await client.logs.list({ per_page: 1, sort: "date:1" });
    assert.ok(page.hasNextPage());
    const [first] = page.data;
    assert.notEqual((await page.getNextPage()).data[0].log_id, first.log_id);
    await refused(client.logs.get("90020200101000000000000000000000000000000000000000000000"), 404);
  });

  test("a stream is made, listed, paused and removed", async () => {
    const { logStreams } = client;
    const sink = {
      httpEndpoint: "https://siem.example.test/in",
      httpContentFormat: "JSONLINES",
      httpContentType: "application/json",
    };
    const name = unique("siem");
    const made = await logStreams.create({ name, type: "http", sink, filters: [{ type: "category", name: "auth.login.fail" }] });
    assert.match(made.id, /^lst_\d{16}$/);
    assert.equal(made.status, "active");
    assert.deepEqual((await logStreams.list()).map((stream) => stream.id), [made.id]);
    assert.equal((await logStreams.update(made.id, { status: "paused" })).status, "paused");
    const read = await logStreams.get(made.id);
    assert.deepEqual([read.name, read.status, read.sink.httpEndpoint], [name, "paused", sink.httpEndpoint]);
    await logStreams.delete(made.id);
    await refused(logStreams.get(made.id), 404);
    assert.deepEqual(await logStreams.list(), []);
  });
});

describe("attack protection", () => {
  const protection = client.attackProtection;
  /** Changes a setting, reads it back, and puts it back. */
  const keeps = (name, part, change, put = (values) => part.update(values)) =>
    test(`${name} is changed and read back`, async () => {
      const before = await part.get();
      const old = Object.fromEntries(Object.keys(change).map((key) => [key, before[key]]));
      assert.notDeepEqual(old, change);
      assert.deepEqual(await put(change), { ...before, ...change });
      assert.deepEqual(await part.get(), { ...before, ...change });
      assert.deepEqual(await put(old), before);
    });

  keeps("brute-force protection", protection.bruteForceProtection, { max_attempts: 7, allowlist: ["203.0.113.9"] });
  keeps("suspicious-IP throttling", protection.suspiciousIpThrottling, { allowlist: ["203.0.113.0/24"] });
  keeps("breached-password detection", protection.breachedPasswordDetection, { enabled: true, shields: ["block"] });
  keeps("bot detection", protection.botDetection, { bot_detection_level: "high", allowlist: ["203.0.113.9"] });
  keeps("phone-provider protection", protection.phoneProviderProtection, { type: "exponential" }, (values) =>
    protection.phoneProviderProtection.patch(values),
  );
  keeps("risk assessment", client.riskAssessments.settings, { enabled: true });
  keeps("the memory of devices", client.riskAssessments.settings.newDevice, { remember_for: 14 });
  keeps("the use of supplemental signals", client.supplementalSignals, { akamai_enabled: true }, (values) =>
    client.supplementalSignals.patch(values),
  );

  test("a captcha's site key is shown, its secret is not", async () => {
    await protection.captcha.update({ active_provider_id: "hcaptcha", hcaptcha: { site_key: "shown", secret: "not-shown" } });
    const read = await protection.captcha.get();
    assert.equal(read.active_provider_id, "hcaptcha");
    assert.deepEqual(read.hcaptcha, { site_key: "shown" });
    await protection.captcha.update({ active_provider_id: "simple_captcha" });
    assert.equal((await protection.captcha.get()).active_provider_id, "simple_captcha");
  });

  test("an address that is not blocked can be let in as well", () => client.anomaly.blocks.unblockIp("203.0.113.9"));
});

describe("tickets", () => {
  const opens = async (address) => (await fetch(address)).status;

  test("a ticket to verify an address is a page of the tenant", async () => {
    const someone = await person({ email_verified: false });
    const { ticket } = await client.tickets.verifyEmail({ user_id: someone.id, ttl_sec: 60 });
    assert.equal(new URL(ticket).origin, new URL(server.issuer).origin);
    assert.equal(await opens(ticket), 200);
    await refused(client.tickets.verifyEmail({ user_id: NOBODY }), 404, "inexistent_user");
  });

  test("a ticket to change a password is made for an id, or for an address", async () => {
    const someone = await person();
    const connection = (await client.connections.list({ name: CONNECTION })).data[0];
    for (const whom of [{ user_id: someone.id }, { connection_id: connection.id, email: someone.email }]) {
      const { ticket } = await client.tickets.changePassword({ ...whom, ttl_sec: 60, mark_email_as_verified: true });
      assert.equal(new URL(ticket).origin, new URL(server.issuer).origin);
      assert.equal(await opens(ticket), 200);
    }
    await refused(client.tickets.changePassword({ user_id: NOBODY }), 404);
  });
});

describe("jobs", () => {
  const finished = (id) => until(() => client.jobs.get(id), (job) => !["pending", "processing"].includes(job.status));
  const database = () => client.connections.create({ name: unique("db"), strategy: "auth0" });

  test("users are imported with their factors; what is wrong with a record is said", async () => {
    const connection = await database();
    const [good, bad] = [`${unique("in")}@example.test`, "not-an-address"];
    const users = [
      { email: good, email_verified: true, given_name: "Ina", mfa_factors: [{ totp: { secret: SEED } }] },
      { email: bad },
    ];
    const file = new Blob([JSON.stringify(users)], { type: "application/json" });
    const how = { connection_id: connection.id, external_id: "first", upsert: false };
    const made = await client.jobs.usersImports.create({ users: file, ...how });
    assert.match(made.id, /^job_/);
    assert.deepEqual([made.type, made.connection_id, made.external_id], ["users_import", connection.id, "first"]);

    const job = await finished(made.id);
    assert.equal(job.status, "completed");
    assert.deepEqual(job.summary, { total: 2, inserted: 1, updated: 0, failed: 1 });
    const [found] = await client.users.listUsersByEmail({ email: good });
    assert.equal(found.given_name, "Ina");
    assert.ok((await client.users.authenticationMethods.list(found.user_id)).data.some((method) => method.type === "totp"));
    const [error] = await client.jobs.errors.get(made.id);
    assert.equal(error.user.email, bad);
    assert.ok(error.errors[0].code);
  });

  test("users are exported to a file, gzipped, with the fields that were asked for", async () => {
    const connection = await database();
    const someone = await person({ connection: connection.name });
    const made = await client.jobs.usersExports.create({
      connection_id: connection.id,
      format: "json",
      fields: [{ name: "email" }, { name: "identities[0].connection", export_as: "provider" }],
    });
    assert.equal(made.type, "users_export");
    const job = await finished(made.id);
    assert.equal(job.status, "completed");
    assert.equal(job.percentage_done, 100);
    const answer = await fetch(job.location);
    assert.ok(answer.ok, `the file answered ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    // A file, not a transport coding: unless the answer says otherwise, the bytes are still gzipped.
    const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString();
    assert.deepEqual(JSON.parse(text.trim()), { email: someone.email, provider: connection.name });
    assert.deepEqual((await client.jobs.errors.get(made.id)) ?? [], []);
  });

  test("a mail to verify an address is a job", async () => {
    const someone = await person({ email_verified: false, verify_email: false });
    const made = await client.jobs.verificationEmail.create({ user_id: someone.id });
    assert.equal(made.type, "verification_email");
    const job = await finished(made.id);
    assert.equal(job.id, made.id);
    assert.equal(job.status, "completed");
    const outbox = await fetch(`${server.issuer}_dev/api/outbox?${new URLSearchParams({ wait: "10", to: someone.email })}`);
    assert.equal((await outbox.json()).length, 1);
    await refused(client.jobs.get("job_0000000000000000"), 404);
  });
});

describe("figures", () => {
  test("a login is counted", async () => {
    await visitor();
    const active = await client.stats.getActiveUsersCount();
    assert.ok(active >= 1);
    const days = await client.stats.getDaily({});
    const today = days.at(-1);
    assert.ok(today.logins >= 1 && today.signups >= 1, JSON.stringify(today));
    assert.match(today.date, /^\d{4}-\d{2}-\d{2}T00:00:00\.000Z$/);
    await refused(client.stats.getDaily({ from: "yesterday" }), 400, "invalid_query_string");
  });
});

describe("encryption keys", () => {
  test("a key is made, has a wrapping key and is destroyed; nothing is brought into it", async () => {
    const { encryption } = client.keys;
    const made = await encryption.create({ type: "customer-provided-root-key" });
    assert.equal(made.state, "pre-activation");
    assert.deepEqual((await all(encryption.list())).map((key) => key.kid), [made.kid]);
    const wrapping = await encryption.createPublicWrappingKey(made.kid);
    assert.equal(wrapping.algorithm, "CKM_RSA_AES_KEY_WRAP");
    assert.match(wrapping.public_key, /^-----BEGIN PUBLIC KEY-----/);
    await refused(encryption.import(made.kid, { wrapped_key: "bm90LWEta2V5" }), 400, "invalid_body");
    const wrapped_key = Buffer.alloc(280).toString("base64");
    await refused(encryption.import(made.kid, { wrapped_key }), 501, "not_implemented");
    await refused(encryption.rekey(), 501, "not_implemented");
    await encryption.delete(made.kid);
    assert.equal((await encryption.get(made.kid)).state, "destroyed");
    await refused(encryption.get("00000000-0000-4000-8000-000000000000"), 404);
  });
});

// The last: what a key signed dies with it.
describe("signing keys", () => {
  const { signing } = client.keys;
  const which = (keys, state) => keys.find((key) => key[state] === true);

  test("a rotation makes the next key the current one, and the previous one can be revoked", async () => {
    const before = await signing.list();
    const [current, next] = [which(before, "current"), which(before, "next")];
    assert.match(current.cert, /^-----BEGIN CERTIFICATE-----/);
    assert.equal((await signing.get(current.kid)).thumbprint, current.thumbprint);
    await refused(signing.revoke(current.kid), 400);

    const rotated = await signing.rotate();
    assert.equal(rotated.kid, next.kid);
    const after = await signing.list();
    assert.equal(which(after, "current").kid, next.kid);
    assert.equal((await signing.get(current.kid)).previous, true);
    assert.ok(![current.kid, next.kid].includes(which(after, "next").kid));
    // The token of before is still good, and is what the client goes on with.
    const published = async () => {
      const jwks = await (await fetch(`${server.issuer}.well-known/jwks.json`)).json();
      return jwks.keys.map((key) => key.kid);
    };
    assert.ok((await published()).includes(current.kid));

    const old = recorder.watch(connect.bind(null, await management.token()));
    reconnect();
    const revoked = await signing.revoke(current.kid);
    assert.equal(revoked.kid, current.kid);
    assert.equal((await signing.get(current.kid)).revoked, true);
    assert.ok(!(await published()).includes(current.kid));
    await refused(old.keys.signing.list(), 401);
    await refused(signing.get("no-such-key"), 404);
  });
});
