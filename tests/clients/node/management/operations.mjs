import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { client, person, refused } from "./twin.mjs";

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
