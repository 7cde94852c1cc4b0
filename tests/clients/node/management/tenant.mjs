import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { all, client, refused, unique } from "./twin.mjs";

const { branding, prompts } = client;

describe("tenant settings and prompts", () => {
  test("settings are changed one by one, flags key by key", async () => {
    const { settings } = client.tenants;
    const before = await settings.get();
    assert.equal(before.phone_consolidated_experience, false);
    const changed = await settings.update({ friendly_name: "Acme", flags: { mfa_show_factor_list_on_enrollment: false } });
    assert.equal(changed.friendly_name, "Acme");
    const after = await settings.get();
    assert.deepEqual(after.flags, { ...before.flags, mfa_show_factor_list_on_enrollment: false });
    assert.equal(after.session_lifetime, before.session_lifetime);
    assert.deepEqual(await settings.get({ fields: "friendly_name", include_fields: true }), { friendly_name: "Acme" });
    await settings.update({ friendly_name: before.friendly_name, flags: { mfa_show_factor_list_on_enrollment: true } });
    await refused(settings.update({}), 400, "invalid_body");
  });

  test("how a login begins is kept", async () => {
    const before = await prompts.getSettings();
    assert.equal(before.universal_login_experience, "new");
    const changed = await prompts.updateSettings({ identifier_first: !before.identifier_first });
    assert.deepEqual(changed, { ...before, identifier_first: !before.identifier_first });
    assert.deepEqual(await prompts.getSettings(), changed);
    await prompts.updateSettings(before);
  });

  test("texts are kept for each prompt and language", async () => {
    const texts = { "mfa-otp-challenge": { title: "Your code, please" } };
    assert.deepEqual(await prompts.customText.get("mfa-otp", "en"), {});
    await prompts.customText.set("mfa-otp", "en", texts);
    assert.deepEqual(await prompts.customText.get("mfa-otp", "en"), texts);
    assert.deepEqual(await prompts.customText.get("mfa-otp", "de"), {});
    await prompts.customText.set("mfa-otp", "en", {});
    assert.deepEqual(await prompts.customText.get("mfa-otp", "en"), {});
  });

  test("partials are kept for each prompt", async () => {
    const partials = { "login-id": { "form-content-start": "<p>Welcome</p>" } };
    assert.deepEqual(await prompts.partials.get("login-id"), {});
    await prompts.partials.set("login-id", partials);
    assert.deepEqual(await prompts.partials.get("login-id"), partials);
    await prompts.partials.set("login-id", {});
    assert.deepEqual(await prompts.partials.get("login-id"), {});
  });

  test("a screen is rendered in the standard way until it is told otherwise", async () => {
    const { rendering } = prompts;
    assert.deepEqual(await all(rendering.list()), []);
    const before = await rendering.get("login-id", "login-id");
    assert.equal(before.rendering_mode, "standard");
    assert.deepEqual([before.prompt, before.screen], ["login-id", "login-id"]);
    await rendering.update("login-id", "login-id", { rendering_mode: "advanced", default_head_tags_disabled: true });
    const after = await rendering.get("login-id", "login-id");
    assert.deepEqual([after.rendering_mode, after.default_head_tags_disabled], ["advanced", true]);
    const configs = [{ prompt: "login-id", screen: "login-id", rendering_mode: "standard" }];
    assert.deepEqual((await rendering.bulkUpdate({ configs })).configs, configs);
    assert.equal((await rendering.get("login-id", "login-id")).rendering_mode, "standard");
  });
});

const theme = {
  borders: {
    button_border_radius: 3,
    button_border_weight: 1,
    buttons_style: "rounded",
    input_border_radius: 3,
    input_border_weight: 1,
    inputs_style: "rounded",
    show_widget_shadow: true,
    widget_border_weight: 0,
    widget_corner_radius: 5,
  },
  colors: {
    body_text: "#1e212a",
    error: "#d03c38",
    header: "#1e212a",
    icons: "#65676e",
    input_background: "#ffffff",
    input_border: "#c9cace",
    input_filled_text: "#000000",
    input_labels_placeholders: "#65676e",
    links_focused_components: "#635dff",
    primary_button: "#635dff",
    primary_button_label: "#ffffff",
    secondary_button_border: "#c9cace",
    secondary_button_label: "#1e212a",
    success: "#13a688",
    widget_background: "#ffffff",
    widget_border: "#c9cace",
  },
  fonts: {
    body_text: { bold: false, size: 87.5 },
    buttons_text: { bold: false, size: 100 },
    font_url: "https://fonts.example.test/a.woff2",
    input_labels: { bold: false, size: 100 },
    links: { bold: true, size: 87.5 },
    links_style: "normal",
    reference_text_size: 16,
    subtitle: { bold: false, size: 87.5 },
    title: { bold: false, size: 150 },
  },
  page_background: { background_color: "#000000", background_image_url: "", page_layout: "center" },
  widget: {
    header_text_alignment: "center",
    logo_height: 52,
    logo_position: "center",
    logo_url: "",
    social_buttons_layout: "bottom",
  },
};

describe("branding", () => {
  test("colours and logo are kept", async () => {
    const ours = { colors: { primary: "#0059d6", page_background: "#ffffff" }, logo_url: "https://acme.example.test/logo.png" };
    await branding.update(ours);
    const read = await branding.get();
    assert.deepEqual({ colors: read.colors, logo_url: read.logo_url }, ours);
    await branding.update({ colors: null, logo_url: null });
    assert.equal((await branding.get()).logo_url, undefined);
  });

  test("the page template is set in both spellings, read and removed", async () => {
    const { templates } = branding;
    const page = (title) =>
      `<!DOCTYPE html><html><head><title>${title}</title>{%- auth0:head -%}</head><body>{%- auth0:widget -%}</body></html>`;
    await refused(templates.getUniversalLogin(), 404, "inexistent_templates_universal_login");
    await templates.updateUniversalLogin({ template: page("One") });
    assert.deepEqual(await templates.getUniversalLogin(), { body: page("One") });
    await templates.updateUniversalLogin(page("Two"));
    assert.deepEqual(await templates.getUniversalLogin(), { body: page("Two") });
    await refused(templates.updateUniversalLogin({ template: "<p>no widget</p>" }), 400, "invalid_body");
    await templates.deleteUniversalLogin();
    await refused(templates.getUniversalLogin(), 404, "inexistent_templates_universal_login");
  });

  test("a theme is made, is the default, is changed and removed", async () => {
    const { themes } = branding;
    await refused(themes.getDefault(), 404, "theme_not_found");
    const made = await themes.create({ ...theme, displayName: "Acme" });
    assert.ok(made.themeId);
    assert.deepEqual(await themes.getDefault(), made);
    assert.deepEqual((await themes.get(made.themeId)).colors, theme.colors);
    const colors = { ...theme.colors, success: "#00ff00" };
    assert.equal((await themes.update(made.themeId, { ...theme, displayName: "Acme two", colors })).displayName, "Acme two");
    assert.equal((await themes.get(made.themeId)).colors.success, "#00ff00");
    await themes.delete(made.themeId);
    await refused(themes.get(made.themeId), 404, "theme_not_found");
  });

  test("a phone provider is made, used, changed and removed", async () => {
    const { providers } = branding.phone;
    assert.deepEqual((await providers.list()).providers, []);
    const configuration = { sid: "AC0", default_from: "+15005550006", delivery_methods: ["text"] };
    const made = await providers.create({ name: "twilio", configuration, credentials: { auth_token: "not-a-token" } });
    assert.ok(!JSON.stringify(await providers.get(made.id)).includes("not-a-token"), "credentials are not shown");
    await providers.update(made.id, { configuration: { ...configuration, sid: "AC1" } });
    assert.equal((await providers.get(made.id)).configuration.sid, "AC1");
    assert.deepEqual((await providers.list()).providers.map((provider) => provider.id), [made.id]);
    assert.equal((await providers.test(made.id, { to: "+15005554412", delivery_method: "text" })).code, 202);
    await providers.delete(made.id);
    await refused(providers.get(made.id), 404);
  });

  test("a phone template is made, tried, changed, reset and removed", async () => {
    const { templates } = branding.phone;
    const content = { syntax: "liquid", from: "+15005550006", body: { text: "{{code}} at Acme", voice: "{{code}}" } };
    const made = await templates.create({ type: "otp_verify", disabled: false, content });
    assert.match(made.id, /^tem_/);
    // A type that the tenant wrote no text for is listed too, without an id.
    const listed = (await templates.list()).templates.filter((template) => template.type === "otp_verify");
    assert.deepEqual(listed.map((template) => template.id), [made.id]);
    assert.equal((await templates.get(made.id)).content.body.text, "{{code}} at Acme");
    await templates.update(made.id, { content: { ...content, body: { text: "Acme: {{code}}", voice: "{{code}}" } } });
    assert.equal((await templates.get(made.id)).content.body.text, "Acme: {{code}}");
    const tried = await templates.test(made.id, { to: "+15005554412", delivery_method: "text" });
    assert.deepEqual(tried, { code: 202, message: "Test notification successfully sent for processing" });
    await templates.reset(made.id, {});
    assert.match((await templates.get(made.id)).content.body.text, /friendly_name/);
    await templates.delete(made.id);
    await refused(templates.get(made.id), 404);
  });
});

describe("mail", () => {
  test("a provider is set, changed and removed, and its secret is not shown", async () => {
    const { provider } = client.emails;
    const absent = () => refused(provider.get(), 404, "inexistent_email_provider");
    await absent();
    await refused(provider.update({ enabled: false }), 404);
    const credentials = { smtp_host: "mail.example.test", smtp_port: 587, smtp_user: "bob", smtp_pass: "not-a-password" };
    await provider.create({ name: "smtp", default_from_address: "no-reply@acme.test", credentials });
    await refused(provider.create({ name: "smtp", credentials }), 409);
    const read = await provider.get({ fields: "name,enabled,credentials,default_from_address", include_fields: true });
    assert.deepEqual([read.name, read.enabled, read.default_from_address], ["smtp", true, "no-reply@acme.test"]);
    assert.equal(read.credentials.smtp_host, "mail.example.test");
    assert.ok(!JSON.stringify(read).includes("not-a-password"));
    await provider.update({ name: "sendgrid", credentials: { api_key: "not-a-key" }, enabled: false });
    const changed = await provider.get();
    assert.deepEqual([changed.name, changed.enabled], ["sendgrid", false]);
    assert.ok(!JSON.stringify(changed).includes("not-a-key"));
    await provider.delete();
    await absent();
  });

  test("a template is made, replaced and changed", async () => {
    const { emailTemplates } = client;
    const template = {
      template: "welcome_email",
      body: "<p>Welcome</p>",
      from: "no-reply@acme.test",
      subject: unique("Welcome"),
      syntax: "liquid",
      enabled: true,
    };
    await refused(emailTemplates.get("welcome_email"), 404, "inexistent_email_template");
    await emailTemplates.create(template);
    await refused(emailTemplates.create(template), 409);
    assert.equal((await emailTemplates.get("welcome_email")).subject, template.subject);
    await emailTemplates.update("welcome_email", { enabled: false });
    const changed = await emailTemplates.get("welcome_email");
    assert.deepEqual([changed.enabled, changed.body], [false, "<p>Welcome</p>"]);
    await emailTemplates.set("welcome_email", { ...template, body: "<p>Hello</p>" });
    const replaced = await emailTemplates.get("welcome_email");
    assert.deepEqual([replaced.enabled, replaced.body], [true, "<p>Hello</p>"]);
  });
});
