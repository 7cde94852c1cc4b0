// Where certain models of keys are allowed only: what Chromium's virtual authenticators say of themselves is signed by nobody whom the
// twin knows, and the person is told so.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Management, ready } from "../clients/node/support/lockstep.mjs";
import { launch, newWindow, violations } from "./support/chromium.mjs";

const server = ready();
const management = new Management();
const USB = { protocol: "ctap2", transport: "usb", hasResidentKey: false, hasUserVerification: true, isUserVerified: true };
const U2F = { protocol: "u2f", transport: "usb", hasResidentKey: false, hasUserVerification: false, isUserVerified: false };
let browser, open;

before(async () => {
  browser = await launch({ ignoreCertificates: true });
  for (const factor of await management.get("guardian/factors")) {
    await management.put(`guardian/factors/${factor.name}`, { enabled: factor.name === "webauthn-roaming" });
  }
  await management.put("guardian/policies", ["all-applications"]);
});
after(() => browser?.close());
afterEach(async () => {
  const { complaints, context } = open;
  await context.close();
  assert.deepEqual(complaints.filter((line) => !line.endsWith("status of 400 ()")), [], "no page complained");
});

/** Why the server refused, as its log has it. */
async function noted(person) {
  const logs = await management.get(`logs?per_page=20&q=${encodeURIComponent("type:gd_webauthn_enrollment_failed")}`);
  return logs.filter((log) => log.user_id === person.id).map((log) => log.details.note);
}

for (const [name, model, why] of [
  ["a key whose maker nobody knows", USB, ["attestation_missing", "attestation_by_the_key_itself", "model_not_allowed"]],
  ["a key of the older protocol", U2F, ["attestation_missing", "attestation_format_not_supported"]],
]) {
  test(`${name} is refused in plain words`, async () => {
    const person = await management.person();
    if (model === U2F) await management.put("guardian/factors/webauthn-roaming/settings", { userVerification: "discouraged" });
    open = await newWindow(browser);
    const { page, context } = open;
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    await cdp.send("WebAuthn.addVirtualAuthenticator", { options: { ...model, automaticPresenceSimulation: true } });
    await page.goto(`${server.https}/_dev/playground/login`);
    for (const [field, value] of [["#username", person.email], ["#password", person.password]]) await page.fill(field, value);
    const press = () => Promise.all([page.waitForEvent("load"), page.click("button[value=default]")]);
    await press();
    assert.equal(await page.getAttribute("main", "data-screen"), "mfa-webauthn-roaming-enrollment");
    await press();
    assert.equal(await page.getAttribute("main", "data-screen"), "mfa-webauthn-roaming-enrollment");
    assert.equal(await page.getAttribute("main", "data-error"), "webauthn-model-refused");
    assert.match(await page.locator("#form-errors").innerText(), /make and model of your key, allow it/);
    assert.deepEqual(await violations(page), []);
    const [note] = await noted(person);
    assert.ok(why.includes(note), note);
    console.log(`${name}: ${note}`);
    if (process.env.LOCKSTEP_SCREENSHOTS) {
      for (const width of [320, 768, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        await page.screenshot({ path: `${process.env.LOCKSTEP_SCREENSHOTS}/model-${width}.png`, fullPage: true });
      }
    }
  });
}
