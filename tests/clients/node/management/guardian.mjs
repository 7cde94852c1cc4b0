import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Browser } from "../support/browser.mjs";
import { readEnrolment } from "../support/login.mjs";
import { NOBODY, client, domain, person, refused, server } from "./twin.mjs";

const { enrollments, factors } = client.guardian;
const FACTORS = ["sms", "push-notification", "otp", "email", "duo", "webauthn-roaming", "webauthn-platform", "recovery-code"];

describe("guardian", () => {
  test("the eight factors are listed in the documented order", async () => {
    const listed = await factors.list();
    assert.deepEqual(listed.map((factor) => factor.name), FACTORS);
    assert.ok(listed.every((factor) => typeof factor.enabled === "boolean" && factor.trial_expired === false));
  });

  for (const name of FACTORS) {
    test(`${name} is switched on and off`, async () => {
      const enabled = async () => (await factors.list()).find((factor) => factor.name === name).enabled;
      const before = await enabled();
      for (const wanted of [!before, before]) {
        assert.deepEqual(await factors.set(name, { enabled: wanted }), { enabled: wanted });
        assert.equal(await enabled(), wanted);
      }
    });
  }

  test("an unknown factor is refused", () => refused(factors.set("carrier-pigeon", { enabled: true }), 400));

  test("the policy is kept", async () => {
    assert.deepEqual(await client.guardian.policies.list(), []);
    assert.deepEqual(await client.guardian.policies.set(["all-applications"]), ["all-applications"]);
    assert.deepEqual(await client.guardian.policies.list(), ["all-applications"]);
    assert.deepEqual(await client.guardian.policies.set([]), []);
  });

  test("an unknown policy is refused and changes nothing", async () => {
    await refused(client.guardian.policies.set(["now-and-then"]), 400, "invalid_body");
    assert.deepEqual(await client.guardian.policies.list(), []);
  });

  test("the remember-me settings are kept", async () => {
    const settings = {
      display_remember_me_checkbox: false,
      remember_me_default_value: false,
      mfa_session_inactivity_timeout: 7200,
      mfa_session_overall_timeout: 86400,
    };
    const before = await client.guardian.get();
    assert.equal(before.mfa_session_overall_timeout, 2592000);
    assert.deepEqual(await client.guardian.set(settings), settings);
    assert.deepEqual(await client.guardian.get(), settings);
    await client.guardian.set(before);
    await refused(client.guardian.set({ ...settings, mfa_session_inactivity_timeout: 1 }), 400, "invalid_body");
  });

  // `sms` is the older name of the same settings.
  test("the phone factor's channels, provider and texts are kept, and read by their older name too", async () => {
    const { phone, sms } = factors;
    assert.deepEqual(await phone.getMessageTypes(), { message_types: [] });
    assert.deepEqual(await phone.setMessageTypes({ message_types: ["sms", "voice"] }), { message_types: ["sms", "voice"] });
    assert.deepEqual(await phone.getMessageTypes(), { message_types: ["sms", "voice"] });

    assert.deepEqual(await phone.getSelectedProvider(), { provider: "auth0" });
    assert.deepEqual(await phone.setProvider({ provider: "twilio" }), { provider: "twilio" });
    assert.deepEqual(await sms.getSelectedProvider(), { provider: "twilio" });
    assert.deepEqual(await sms.setProvider({ provider: "auth0" }), { provider: "auth0" });
    assert.deepEqual(await phone.getSelectedProvider(), { provider: "auth0" });

    const twilio = { from: "+15005550006", sid: "AC0", auth_token: "not-a-token" };
    assert.deepEqual(await phone.getTwilioProvider(), {});
    assert.deepEqual(await phone.setTwilioProvider(twilio), twilio);
    assert.deepEqual(await sms.getTwilioProvider(), { ...twilio, messaging_service_sid: null });
    await sms.setTwilioProvider({ ...twilio, sid: "AC1" });
    assert.equal((await phone.getTwilioProvider()).sid, "AC1");

    const texts = await phone.getTemplates();
    assert.match(texts.verification_message, /\{\{\s*code\s*\}\}/);
    const ours = { enrollment_message: "Welcome: {{code}}", verification_message: "Code: {{code}}" };
    assert.deepEqual(await phone.setTemplates(ours), ours);
    assert.deepEqual(await sms.getTemplates(), ours);
    assert.deepEqual(await sms.setTemplates(texts), texts);
    assert.deepEqual(await phone.getTemplates(), texts);
  });

  test("the push factor's providers are kept, and their secrets are not shown", async () => {
    const push = factors.pushNotification;
    assert.deepEqual(await push.getSelectedProvider(), { provider: "guardian" });
    assert.deepEqual(await push.setProvider({ provider: "sns" }), { provider: "sns" });
    assert.deepEqual(await push.getSelectedProvider(), { provider: "sns" });
    await push.setProvider({ provider: "guardian" });

    assert.equal((await push.getApnsProvider()).enabled, false);
    const apns = await push.setApnsProvider({ sandbox: true, bundle_id: "test.example.app", p12: "bm90LWEta2V5" });
    assert.deepEqual(apns, { sandbox: true, bundle_id: "test.example.app" });
    assert.deepEqual(await push.getApnsProvider(), { sandbox: true, bundle_id: "test.example.app", enabled: true });
    await push.updateApnsProvider({ sandbox: false });
    assert.deepEqual(await push.getApnsProvider(), { sandbox: false, bundle_id: "test.example.app", enabled: true });

    assert.deepEqual(await push.setFcmProvider({ server_key: "not-a-key" }), {});
    assert.deepEqual(await push.updateFcmProvider({ server_key: null }), {});
    assert.deepEqual(await push.setFcmv1Provider({ server_credentials: "{}" }), {});
    assert.deepEqual(await push.updateFcmv1Provider({ server_credentials: null }), {});

    assert.deepEqual(await push.getSnsProvider(), {});
    const sns = {
      aws_access_key_id: "AKIAEXAMPLE1",
      aws_region: "eu-west-1",
      sns_apns_platform_application_arn: "arn:apns",
      sns_gcm_platform_application_arn: "arn:gcm",
    };
    await push.setSnsProvider({ ...sns, aws_secret_access_key: "not-a-secret" });
    assert.deepEqual(await push.getSnsProvider(), sns);
    await push.updateSnsProvider({ aws_region: "us-east-1" });
    assert.deepEqual(await push.getSnsProvider(), { ...sns, aws_region: "us-east-1" });
  });

  test("Duo's settings are replaced by set and merged by update", async () => {
    const { settings } = factors.duo;
    assert.deepEqual(await settings.get(), {});
    assert.deepEqual(await settings.set({ ikey: "i", skey: "s", host: "duo.example.test" }), {
      ikey: "i",
      skey: "s",
      host: "duo.example.test",
    });
    await settings.update({ host: "other.example.test" });
    assert.deepEqual(await settings.get(), { ikey: "i", skey: "s", host: "other.example.test" });
  });

  test("a ticket's page enrols an authenticator app, once; the enrolment is read and removed", async () => {
    const otp = (await factors.list()).find((factor) => factor.name === "otp").enabled;
    await factors.set("otp", { enabled: true });
    const someone = await person();
    const ticket = await enrollments.createTicket({ user_id: someone.id, send_mail: false });
    assert.match(ticket.ticket_id, /^gten_[0-9a-f]{24}$/);
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
    const again = await new Browser(server.https).open(ticket.ticket_url);
    assert.equal(readEnrolment(again), undefined, "a used ticket shows no secret");

    const [{ id, status }, ...others] = await client.users.enrollments.get(someone.id);
    assert.deepEqual([status, others], ["confirmed", []]);
    const enrolment = await enrollments.get(id);
    assert.deepEqual([enrolment.id, enrolment.status], [id, "confirmed"]);
    await enrollments.delete(id);
    assert.deepEqual(await client.users.enrollments.get(someone.id), []);
    await refused(enrollments.get(id), 404, "enrollment_not_found");
    await refused(enrollments.delete(id), 404, "enrollment_not_found");
    await factors.set("otp", { enabled: otp });
  });

  test("a ticket for nobody is refused", () => refused(enrollments.createTicket({ user_id: NOBODY }), 404, "inexistent_user"));
});
