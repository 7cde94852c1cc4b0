"""Tenant settings, prompts, branding, mail."""

from .conftest import unique
from .words import dump, refused

THEME = {
    "borders": {
        "button_border_radius": 3,
        "button_border_weight": 1,
        "buttons_style": "rounded",
        "input_border_radius": 3,
        "input_border_weight": 1,
        "inputs_style": "rounded",
        "show_widget_shadow": True,
        "widget_border_weight": 0,
        "widget_corner_radius": 5,
    },
    "colors": {
        "body_text": "#1e212a",
        "error": "#d03c38",
        "header": "#1e212a",
        "icons": "#65676e",
        "input_background": "#ffffff",
        "input_border": "#c9cace",
        "input_filled_text": "#000000",
        "input_labels_placeholders": "#65676e",
        "links_focused_components": "#635dff",
        "primary_button": "#635dff",
        "primary_button_label": "#ffffff",
        "secondary_button_border": "#c9cace",
        "secondary_button_label": "#1e212a",
        "success": "#13a688",
        "widget_background": "#ffffff",
        "widget_border": "#c9cace",
    },
    "fonts": {
        "body_text": {"bold": False, "size": 87.5},
        "buttons_text": {"bold": False, "size": 100},
        "font_url": "https://fonts.example.test/a.woff2",
        "input_labels": {"bold": False, "size": 100},
        "links": {"bold": True, "size": 87.5},
        "links_style": "normal",
        "reference_text_size": 16,
        "subtitle": {"bold": False, "size": 87.5},
        "title": {"bold": False, "size": 150},
    },
    "page_background": {"background_color": "#000000", "background_image_url": "", "page_layout": "center"},
    "widget": {
        "header_text_alignment": "center",
        "logo_height": 52,
        "logo_position": "center",
        "logo_url": "",
        "social_buttons_layout": "bottom",
    },
}


def page(title):
    head = f"<head><title>{title}</title>{{%- auth0:head -%}}</head>"
    return f"<!DOCTYPE html><html>{head}<body>{{%- auth0:widget -%}}</body></html>"


def test_settings_are_changed_one_by_one_and_flags_key_by_key(client):
    settings = client.tenants.settings
    before = settings.get()
    assert before.phone_consolidated_experience is False
    changed = settings.update(friendly_name="Acme", flags={"mfa_show_factor_list_on_enrollment": False})
    assert changed.friendly_name == "Acme"
    after = settings.get()
    assert dump(after.flags) == {**dump(before.flags), "mfa_show_factor_list_on_enrollment": False}
    assert after.session_lifetime == before.session_lifetime
    assert settings.get(fields="friendly_name", include_fields=True).model_fields_set == {"friendly_name"}
    settings.update(friendly_name=before.friendly_name, flags={"mfa_show_factor_list_on_enrollment": True})
    with refused(400, "invalid_body"):
        settings.update()


def test_how_a_login_begins_is_kept(client):
    prompts = client.prompts
    before = dump(prompts.get_settings())
    changed = dump(prompts.update_settings(identifier_first=not before["identifier_first"]))
    assert changed == {**before, "identifier_first": not before["identifier_first"]}
    assert dump(prompts.get_settings()) == changed
    prompts.update_settings(**before)


def test_texts_are_kept_for_each_prompt_and_language(client):
    texts, custom_text = {"mfa-otp-challenge": {"title": "Your code, please"}}, client.prompts.custom_text
    assert custom_text.get("mfa-otp", "en") == {}
    custom_text.set("mfa-otp", "en", request=texts)
    assert custom_text.get("mfa-otp", "en") == texts
    assert custom_text.get("mfa-otp", "de") == {}
    custom_text.set("mfa-otp", "en", request={})
    assert custom_text.get("mfa-otp", "en") == {}


def test_partials_are_kept_for_each_prompt(client):
    html, partials = {"login-id": {"form-content-start": "<p>Welcome</p>"}}, client.prompts.partials
    assert partials.get("login-id") == {}
    partials.set("login-id", request=html)
    assert partials.get("login-id") == html
    partials.set("login-id", request={})
    assert partials.get("login-id") == {}


def test_a_screen_is_rendered_in_the_standard_way_until_it_is_told_otherwise(client):
    rendering, screen = client.prompts.rendering, ("login-id", "login-id")
    assert list(rendering.list()) == []
    before = rendering.get(*screen)
    assert (before.prompt, before.screen, before.rendering_mode) == (*screen, "standard")
    rendering.update(*screen, rendering_mode="advanced", default_head_tags_disabled=True)
    after = rendering.get(*screen)
    assert (after.rendering_mode, after.default_head_tags_disabled) == ("advanced", True)
    configs = [{"prompt": "login-id", "screen": "login-id", "rendering_mode": "standard"}]
    assert [dump(config) for config in rendering.bulk_update(configs=configs).configs] == configs
    assert rendering.get(*screen).rendering_mode == "standard"


def test_colours_and_logo_are_kept(client):
    branding = client.branding
    branding.update(colors={"primary": "#0059d6", "page_background": "#ffffff"}, logo_url="https://acme.example.test/logo.png")
    read = branding.get()
    assert dump(read.colors) == {"primary": "#0059d6", "page_background": "#ffffff"}
    assert read.logo_url == "https://acme.example.test/logo.png"
    branding.update(colors=None, logo_url=None)
    assert branding.get().logo_url is None


def test_the_page_template_is_set_in_both_spellings_read_and_removed(client):
    templates = client.branding.templates
    with refused(404, "inexistent_templates_universal_login"):
        templates.get_universal_login()
    templates.update_universal_login(request={"template": page("One")})
    assert templates.get_universal_login().body == page("One")
    templates.update_universal_login(request=page("Two"))
    assert templates.get_universal_login().body == page("Two")
    with refused(400, "invalid_body"):
        templates.update_universal_login(request={"template": "<p>no widget</p>"})
    templates.delete_universal_login()
    with refused(404, "inexistent_templates_universal_login"):
        templates.get_universal_login()


def test_a_theme_is_made_is_the_default_is_changed_and_removed(client):
    themes = client.branding.themes
    with refused(404, "theme_not_found"):
        themes.get_default()
    made = themes.create(**THEME, display_name="Acme")
    assert themes.get_default().theme_id == made.theme_id
    assert themes.get(made.theme_id).colors.success == "#13a688"
    colors = {**THEME["colors"], "success": "#00ff00"}
    assert themes.update(made.theme_id, **{**THEME, "colors": colors}, display_name="Two").display_name == "Two"
    assert themes.get(made.theme_id).colors.success == "#00ff00"
    themes.delete(made.theme_id)
    with refused(404, "theme_not_found"):
        themes.get(made.theme_id)


def test_a_phone_provider_is_made_used_changed_and_removed(client):
    providers = client.branding.phone.providers
    assert providers.list().providers == []
    configuration = {"sid": "AC0", "default_from": "+15005550006", "delivery_methods": ["text"]}
    made = providers.create(name="twilio", configuration=configuration, credentials={"auth_token": "not-a-token"})
    assert "not-a-token" not in providers.get(made.id).model_dump_json(), "credentials are not shown"
    providers.update(made.id, configuration={**configuration, "sid": "AC1"})
    assert providers.get(made.id).configuration.sid == "AC1"
    assert [provider.id for provider in providers.list().providers] == [made.id]
    assert providers.test(made.id, to="+15005554412", delivery_method="text").code == 202
    providers.delete(made.id)
    with refused(404):
        providers.get(made.id)


def test_a_phone_template_is_made_tried_changed_reset_and_removed(client):
    templates = client.branding.phone.templates

    def content(text):
        return {"syntax": "liquid", "from": "+15005550006", "body": {"text": text, "voice": "{{code}}"}}

    made = templates.create(type="otp_verify", disabled=False, content=content("{{code}} at Acme"))
    assert made.id.startswith("tem_")
    # A type that the tenant wrote no text for is listed too, without an id.
    assert [found.id for found in templates.list().templates if found.type == "otp_verify"] == [made.id]
    assert templates.get(made.id).content.body.text == "{{code}} at Acme"
    templates.update(made.id, content=content("Acme: {{code}}"))
    assert templates.get(made.id).content.body.text == "Acme: {{code}}"
    tried = templates.test(made.id, to="+15005554412", delivery_method="text")
    assert (tried.code, tried.message) == (202, "Test notification successfully sent for processing")
    templates.reset(made.id, request={})
    assert "friendly_name" in templates.get(made.id).content.body.text
    templates.delete(made.id)
    with refused(404):
        templates.get(made.id)


def test_a_mail_provider_is_set_changed_and_removed_without_showing_its_secret(client):
    provider = client.emails.provider
    with refused(404, "inexistent_email_provider"):
        provider.get()
    with refused(404):
        provider.update(enabled=False)
    credentials = {"smtp_host": "mail.example.test", "smtp_port": 587, "smtp_user": "bob", "smtp_pass": "not-a-password"}
    provider.create(name="smtp", default_from_address="no-reply@acme.test", credentials=credentials)
    with refused(409):
        provider.create(name="smtp", credentials=credentials)
    read = provider.get(fields="name,enabled,credentials,default_from_address", include_fields=True)
    assert (read.name, read.enabled, read.default_from_address) == ("smtp", True, "no-reply@acme.test")
    assert read.credentials.smtp_host == "mail.example.test"
    assert "not-a-password" not in read.model_dump_json()
    provider.update(name="sendgrid", credentials={"api_key": "not-a-key"}, enabled=False)
    changed = provider.get()
    assert (changed.name, changed.enabled) == ("sendgrid", False)
    assert "not-a-key" not in changed.model_dump_json()
    provider.delete()
    with refused(404, "inexistent_email_provider"):
        provider.get()


def test_a_mail_template_is_made_replaced_and_changed(client):
    templates, name = client.email_templates, "welcome_email"
    template = {
        "template": name,
        "body": "<p>Welcome</p>",
        "from_": "no-reply@acme.test",
        "subject": unique("Welcome"),
        "syntax": "liquid",
        "enabled": True,
    }
    with refused(404, "inexistent_email_template"):
        templates.get(name)
    templates.create(**template)
    with refused(409):
        templates.create(**template)
    assert templates.get(name).subject == template["subject"]
    templates.update(name, enabled=False)
    changed = templates.get(name)
    assert (changed.enabled, changed.body) == (False, "<p>Welcome</p>")
    templates.set(name, **{**template, "body": "<p>Hello</p>"})
    replaced = templates.get(name)
    assert (replaced.enabled, replaced.body) == (True, "<p>Hello</p>")
