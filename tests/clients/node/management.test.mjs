// The official Node SDK's ManagementClient.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ManagementClient } from "auth0";
import { Browser } from "./support/browser.mjs";
import { CONNECTION, ready } from "./support/lockstep.mjs";
import { readEnrolment } from "./support/login.mjs";

const server = ready();
const domain = new URL(server.issuer).host;
const client = new ManagementClient({
  domain,
  clientId: server.management.client_id,
  clientSecret: server.management.client_secret,
});

const refusedWith = (status) => (error) => {
  assert.equal(error.statusCode, status, `${error}`);
  return true;
};
const idsOf = async (page) => {
  const found = [];
  for await (const item of page) found.push(item.id);
  return found;
};

describe("factors", () => {
  test("the eight factors are listed in the documented order", async () => {
    const factors = await client.guardian.factors.list();
    assert.deepEqual(
      factors.map((factor) => factor.name),
      ["sms", "push-notification", "otp", "email", "duo", "webauthn-roaming", "webauthn-platform", "recovery-code"],
    );
    assert.ok(factors.every((factor) => typeof factor.enabled === "boolean" && factor.trial_expired === false));
  });

  for (const name of ["otp", "sms", "push-notification", "webauthn-roaming", "webauthn-platform", "email", "recovery-code"]) {
    test(`${name} can be switched on and off`, async () => {
      const enabled = async () => (await client.guardian.factors.list()).find((factor) => factor.name === name).enabled;
      assert.deepEqual(await client.guardian.factors.set(name, { enabled: true }), { enabled: true });
      assert.equal(await enabled(), true);
      assert.deepEqual(await client.guardian.factors.set(name, { enabled: false }), { enabled: false });
      assert.equal(await enabled(), false);
    });
  }

  test("an unknown factor is refused", async () => {
    await assert.rejects(client.guardian.factors.set("carrier-pigeon", { enabled: true }), refusedWith(400));
  });
});

describe("policies", () => {
  test("the policy is a bare list, kept as set", async () => {
    assert.deepEqual(await client.guardian.policies.list(), []);
    assert.deepEqual(await client.guardian.policies.set(["all-applications"]), ["all-applications"]);
    assert.deepEqual(await client.guardian.policies.list(), ["all-applications"]);
    assert.deepEqual(await client.guardian.policies.set([]), []);
  });

  test("an unknown policy is refused and changes nothing", async () => {
    await assert.rejects(client.guardian.policies.set(["now-and-then"]), refusedWith(400));
    assert.deepEqual(await client.guardian.policies.list(), []);
  });
});

describe("users", () => {
  let user;

  test("create answers with the defaults filled in", async () => {
    user = await client.users.create({
      connection: CONNECTION,
      email: "Ann.Ode@Example.Test",
      password: "Correct-horse-battery-9",
      given_name: "Ann",
      user_metadata: { country: "NL" },
      app_metadata: { plan: "gold" },
    });
    assert.match(user.user_id, /^auth0\|[0-9a-f]{24}$/);
    assert.equal(user.email, "ann.ode@example.test");
    assert.equal(user.email_verified, false);
    assert.equal(user.nickname, "ann.ode");
    assert.equal(user.identities[0].connection, CONNECTION);
  });

  test("the same address again is a conflict", async () => {
    const again = { connection: CONNECTION, email: "ann.ode@example.test", password: "Correct-horse-battery-9" };
    await assert.rejects(client.users.create(again), refusedWith(409));
  });

  test("get, by e-mail and by search find the user", async () => {
    assert.equal((await client.users.get(user.user_id)).given_name, "Ann");
    const byEmail = await client.users.listUsersByEmail({ email: "ann.ode@example.test" });
    assert.deepEqual(byEmail.map((found) => found.user_id), [user.user_id]);
    for (const q of ['email:"ann.ode@example.test"', "email:ann.ode@example.test", "given_name:ann"]) {
      const page = await client.users.list({ q, search_engine: "v3" });
      assert.deepEqual(page.data.map((found) => found.user_id), [user.user_id], q);
    }
    assert.deepEqual((await client.users.list({ q: "email:nobody@example.test" })).data, []);
  });

  test("the list is walked page by page", async () => {
    for (const n of [1, 2, 3]) {
      await client.users.create({ connection: CONNECTION, email: `page${n}@example.test`, password: "Correct-horse-battery-9" });
    }
    const emails = new Set();
    let pages = 1;
    let page = await client.users.list({ per_page: 2, q: "email:page*" });
    for (;;) {
      for (const found of page.data) emails.add(found.email);
      if (!page.hasNextPage()) break;
      page = await page.getNextPage();
      pages += 1;
      assert.ok(pages < 10, "the pages never end");
    }
    assert.deepEqual([...emails].sort(), ["page1@example.test", "page2@example.test", "page3@example.test"]);
  });

  test("update merges the metadata", async () => {
    const updated = await client.users.update(user.user_id, { nickname: "annie", user_metadata: { theme: "dark" } });
    assert.equal(updated.nickname, "annie");
    assert.deepEqual(updated.user_metadata, { country: "NL", theme: "dark" });
  });

  test("delete removes, and get then says 404", async () => {
    await client.users.delete(user.user_id);
    await assert.rejects(client.users.get(user.user_id), refusedWith(404));
  });
});

describe("authentication methods", () => {
  let user;
  const methods = () => client.users.authenticationMethods;

  before(async () => {
    user = await client.users.create({ connection: CONNECTION, email: "methods@example.test", password: "Correct-horse-battery-9" });
  });

  test("a seed of one's own is imported, listed, read, renamed and deleted", async () => {
    const made = await methods().create(user.user_id, { type: "totp", name: "Old app", totp_secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" });
    assert.equal(made.type, "totp");
    const listed = JSON.stringify((await methods().list(user.user_id)).data);
    assert.ok(!listed.includes("JBSWY3DPEHPK3PXP"), "a list never shows a secret");
    assert.deepEqual((await idsOf(await methods().list(user.user_id))).includes(made.id), true);
    const read = await methods().get(user.user_id, made.id);
    assert.equal(read.name, "Old app");
    await methods().update(user.user_id, made.id, { name: "New app" });
    assert.equal((await methods().get(user.user_id, made.id)).name, "New app");
    assert.deepEqual((await client.users.get(user.user_id)).multifactor, ["guardian"]);
    await methods().delete(user.user_id, made.id);
    await assert.rejects(methods().get(user.user_id, made.id), refusedWith(404));
  });

  test("deleteAll leaves none", async () => {
    await methods().create(user.user_id, { type: "totp", name: "One", totp_secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" });
    await methods().deleteAll(user.user_id);
    const left = (await methods().list(user.user_id)).data.filter((method) => method.type === "totp");
    assert.deepEqual(left, []);
  });

  test("a new recovery code is 24 letters and digits, another each time", async () => {
    const first = await client.users.regenerateRecoveryCode(user.user_id);
    const second = await client.users.regenerateRecoveryCode(user.user_id);
    assert.match(first.recovery_code, /^[A-Z0-9]{24}$/);
    assert.notEqual(first.recovery_code, second.recovery_code);
  });

  test("remembered browsers can be forgotten", async () => {
    await client.users.multifactor.invalidateRememberBrowser(user.user_id);
  });

  test("enrolments and authenticators of an unknown user are 404", async () => {
    await assert.rejects(methods().list("auth0|000000000000000000000000"), refusedWith(404));
    await assert.rejects(client.users.enrollments.get("auth0|000000000000000000000000"), refusedWith(404));
  });
});

describe("enrolment ticket", () => {
  test("the ticket's page enrols an authenticator app, once", async () => {
    await client.guardian.factors.set("otp", { enabled: true });
    const user = await client.users.create({ connection: CONNECTION, email: "ticket@example.test", password: "Correct-horse-battery-9" });
    const ticket = await client.guardian.enrollments.createTicket({ user_id: user.user_id, send_mail: false });
    assert.ok(ticket.ticket_id);
    assert.equal(new URL(ticket.ticket_url).host, domain);

    const browser = new Browser(server.https);
    // Opening the link only looks, so that a mail scanner cannot use it up; the person presses the button.
    const welcome = await browser.open(ticket.ticket_url);
    assert.equal(readEnrolment(welcome), undefined);
    const page = await browser.submit(welcome, {});
    const authenticator = readEnrolment(page);
    assert.ok(authenticator, `no secret on ${page.url}: ${page.text}`);
    const done = await browser.submit(page, { code: await authenticator.code() });
    assert.ok(done.status < 400, done.text);

    const enrolled = await client.users.enrollments.get(user.user_id);
    assert.equal(enrolled.length, 1);
    assert.equal(enrolled[0].status, "confirmed");
    const again = await new Browser(server.https).open(ticket.ticket_url);
    assert.equal(readEnrolment(again), undefined, "a used ticket shows no secret");
    assert.equal((await client.guardian.enrollments.get(enrolled[0].id)).status, "confirmed");
    await client.guardian.enrollments.delete(enrolled[0].id);
    assert.deepEqual(await client.users.enrollments.get(user.user_id), []);
    await client.guardian.factors.set("otp", { enabled: false });
  });

  test("a ticket for nobody is refused", async () => {
    const request = { user_id: "auth0|000000000000000000000000" };
    await assert.rejects(client.guardian.enrollments.createTicket(request), refusedWith(404));
  });
});
