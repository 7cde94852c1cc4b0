// A tenant with something of everything that the Deploy CLI carries.

import { readFileSync } from "node:fs";

const PAGE = "<!DOCTYPE html><html><head>{%- auth0:head -%}</head><body>{%- auth0:widget -%}</body></html>";
const THEME = JSON.parse(readFileSync(new URL("theme.json", import.meta.url), "utf8"));

const FACTORS = ["otp", "sms", "email", "push-notification", "duo", "webauthn-roaming", "webauthn-platform", "recovery-code"];
const MFA_PROMPTS = ["mfa", "mfa-otp", "mfa-sms", "mfa-phone", "mfa-voice", "mfa-email", "mfa-push", "mfa-webauthn", "mfa-recovery-code"];

/** Configures a tenant by its Management API, as a person would over the years. */
export async function configure(management) {
  await management.patch("tenants/settings", {
    friendly_name: "Acme", support_email: "help@acme.test", support_url: "https://acme.test/help",
    enabled_locales: ["en", "de"], session_lifetime: 100, idle_session_lifetime: 20,
    flags: { enable_client_connections: false, mfa_show_factor_list_on_enrollment: false },
  });
  const web = await management.post("clients", {
    name: "Shop", app_type: "regular_web", description: "The shop", callbacks: ["https://shop.acme.test/callback"],
    allowed_logout_urls: ["https://shop.acme.test"], grant_types: ["authorization_code", "refresh_token"],
    client_metadata: { tier: "gold" },
    refresh_token: { rotation_type: "rotating", expiration_type: "expiring", leeway: 3, token_lifetime: 86400,
      idle_token_lifetime: 3600, infinite_token_lifetime: false, infinite_idle_token_lifetime: false },
  });
  const machine = await management.post("clients", { name: "Nightly", app_type: "non_interactive", grant_types: ["client_credentials"] });
  await management.post("clients", { name: "Phone", app_type: "native", callbacks: ["acme://callback"] });
  await management.post("resource-servers", {
    name: "Orders", identifier: "https://orders.acme.test/", signing_alg: "RS256", token_lifetime: 3600,
    token_lifetime_for_web: 1800, enforce_policies: true, token_dialect: "access_token_authz", allow_offline_access: true,
    scopes: [{ value: "read:orders", description: "Read orders" }, { value: "write:orders" }],
  });
  await management.post("client-grants", { client_id: machine.client_id, audience: "https://orders.acme.test/", scope: ["read:orders"] });
  const connection = await management.post("connections", {
    name: "customers", strategy: "auth0",
    options: { passwordPolicy: "fair", brute_force_protection: true, disable_signup: true, password_history: { enable: true, size: 4 } },
  });
  await management.patch(`connections/${connection.id}/clients`, [{ client_id: web.client_id, status: true }]);
  const role = await management.post("roles", { name: "clerk", description: "Takes orders" });
  await management.post(`roles/${role.id}/permissions`, {
    permissions: [{ resource_server_identifier: "https://orders.acme.test/", permission_name: "read:orders" }],
  });
  for (const factor of FACTORS) await management.put(`guardian/factors/${factor}`, { enabled: true });
  await management.put("guardian/policies", ["all-applications"]);
  await management.put("guardian/factors/phone/message-types", { message_types: ["sms", "voice"] });
  await management.put("guardian/factors/phone/selected-provider", { provider: "twilio" });
  await management.put("guardian/factors/sms/templates", { enrollment_message: "{{code}} to enrol", verification_message: "{{code}} to log in" });
  await management.put("guardian/factors/sms/providers/twilio", { from: "+15005550006", sid: "AC1", auth_token: "twilio-secret" });
  await management.patch("branding", { colors: { primary: "#0059d6", page_background: "#ffffff" }, logo_url: "https://acme.test/logo.png" });
  await management.put("branding/templates/universal-login", { template: PAGE });
  await management.post("branding/themes", THEME);
  await management.patch("prompts", { identifier_first: true });
  await management.put("prompts/login-id/custom-text/en", { "login-id": { title: "Welcome to Acme" } });
  await management.put("prompts/mfa-otp/custom-text/de", { "mfa-otp-challenge": { title: "Ihr Code für Acme" } });
  for (const prompt of MFA_PROMPTS) await management.put(`prompts/${prompt}/custom-text/en`, { [prompt]: { pageTitle: `Acme: ${prompt}` } });
  await management.post("emails/provider", {
    name: "smtp", enabled: true, default_from_address: "no-reply@acme.test",
    credentials: { smtp_host: "mail.acme.test", smtp_port: 587, smtp_user: "acme", smtp_pass: "smtp-secret" },
  });
  for (const template of ["mfa_oob_code", "reset_email"]) {
    await management.post("email-templates", {
      template, body: `<p>{{ code }}{{ url }} for ${template}</p>`, from: "no-reply@acme.test", subject: "Acme", syntax: "liquid",
      enabled: true, urlLifetimeInSeconds: 3600, resultUrl: "https://acme.test/", includeEmailInRedirect: false,
    });
  }
  for (const [trigger, version, name] of [["post-login", "v3", "Ask the careful"], ["send-phone-message", "v2", "Carry texts"]]) {
    const action = await management.post("actions/actions", {
      name, supported_triggers: [{ id: trigger, version }], runtime: "node22",
      code: "exports.onExecutePostLogin = async (event, api) => { api.multifactor.enable('any'); };\n",
      dependencies: [{ name: "lodash", version: "4.17.21" }], secrets: [{ name: "KEY", value: "action-secret" }],
    });
    await management.post(`actions/actions/${action.id}/deploy`, {});
    await management.patch(`actions/triggers/${trigger}/bindings`, {
      bindings: [{ ref: { type: "action_id", value: action.id }, display_name: name }],
    });
  }
  await management.patch("attack-protection/brute-force-protection", { max_attempts: 7, allowlist: ["192.0.2.0/24"] });
  await management.patch("attack-protection/suspicious-ip-throttling", { enabled: false });
  await management.patch("attack-protection/breached-password-detection", { enabled: true, shields: ["block"], method: "standard" });
  await management.patch("attack-protection/bot-detection", { bot_detection_level: "high" });
  await management.patch("risk-assessments/settings", { enabled: true });
  await management.patch("risk-assessments/settings/new-device", { remember_for: 60 });
  await management.post("log-streams", {
    name: "siem", type: "http", filters: [{ type: "category", name: "auth.login.fail" }],
    sink: { httpEndpoint: "https://siem.acme.test/in", httpAuthorization: "Bearer sink", httpContentFormat: "JSONLINES", httpContentType: "application/json" },
  });
}

/** Adds what no export of that tenant has: an import that may delete takes it away again. */
export async function addStrangers(management) {
  await management.post("clients", { name: "Stranger", app_type: "spa" });
  await management.post("resource-servers", { name: "Strange API", identifier: "https://strange.test/" });
  await management.post("roles", { name: "stranger" });
}

/** Which of the strangers are there. */
export async function strangers(management) {
  const names = async (path) => (await management.get(path)).map((one) => one.name);
  const all = [...(await names("clients?per_page=100")), ...(await names("resource-servers")), ...(await names("roles"))];
  return all.filter((name) => /strange/i.test(name)).sort();
}
