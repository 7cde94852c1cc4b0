//! Settings that are one document each: attack protection, risk assessment, themes, page templates, texts; and what there is none of.

use serde_json::{Value, json};

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn a_fresh_tenant_answers_what_tools_expect_of_attack_protection() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let expected = [
        (
            "/attack-protection/brute-force-protection",
            json!({"enabled": true, "shields": ["block", "user_notification"],
                   "mode": "count_per_identifier_and_ip", "allowlist": [], "max_attempts": 10}),
        ),
        (
            "/attack-protection/suspicious-ip-throttling",
            json!({"enabled": true, "shields": ["admin_notification", "block"], "allowlist": [],
                   "stage": {"pre-login": {"max_attempts": 100, "rate": 864_000},
                             "pre-user-registration": {"max_attempts": 50, "rate": 1200},
                             "pre-custom-token-exchange": {"max_attempts": 10, "rate": 600_000}}}),
        ),
        (
            "/attack-protection/breached-password-detection",
            json!({"enabled": false, "shields": [], "admin_notification_frequency": [], "method": "standard",
                   "stage": {"pre-user-registration": {"shields": []}, "pre-change-password": {"shields": []}}}),
        ),
        (
            "/attack-protection/bot-detection",
            json!({"challenge_password_policy": "never", "challenge_passwordless_policy": "never",
                   "challenge_password_reset_policy": "never", "allowlist": [], "bot_detection_level": "medium",
                   "monitoring_mode_enabled": false}),
        ),
        (
            "/attack-protection/captcha",
            json!({"active_provider_id": "simple_captcha", "simple_captcha": {}, "auth_challenge": {"fail_open": true},
                   "recaptcha_v2": {"site_key": ""}, "recaptcha_enterprise": {"site_key": "", "project_id": ""},
                   "hcaptcha": {"site_key": ""}, "friendly_captcha": {"site_key": ""},
                   "arkose": {"site_key": "", "client_subdomain": "client-api", "verify_subdomain": "verify-api",
                              "fail_open": false}}),
        ),
        ("/attack-protection/phone-provider-protection", json!({"type": "default"})),
        ("/risk-assessments/settings", json!({"enabled": false})),
        ("/risk-assessments/settings/new-device", json!({"remember_for": 30})),
        ("/supplemental-signals", json!({"akamai_enabled": false})),
    ];
    for (path, defaults) in expected {
        assert_eq!(admin.expect(200, "GET", path, None).await, defaults, "{path}");
        assert_eq!(admin.expect(200, "PATCH", path, Some(defaults.clone())).await, defaults, "{path}");
    }
    admin.expect(404, "GET", "/anomaly/blocks/ips/203.0.113.9", None).await;
    admin.expect(204, "DELETE", "/anomaly/blocks/ips/2001:db8::1", None).await;
    admin.expect(400, "GET", "/anomaly/blocks/ips/nowhere", None).await;
}

#[tokio::test]
async fn a_patch_of_attack_protection_keeps_what_it_does_not_name_and_refuses_what_is_out_of_bounds() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/attack-protection/suspicious-ip-throttling";
    let change =
        json!({"stage": {"pre-login": {"max_attempts": 1}}, "allowlist": ["203.0.113.0/24", "2001:db8::1"]});
    let changed = admin.expect(200, "PATCH", path, Some(change)).await;
    assert_eq!(changed["stage"]["pre-login"], json!({"max_attempts": 1, "rate": 864_000}));
    assert_eq!(changed["stage"]["pre-user-registration"], json!({"max_attempts": 50, "rate": 1200}));
    assert_eq!(admin.expect(200, "GET", path, None).await, changed);
    let wrong = [
        (path, json!({"allowlist": ["203.0.113.0/33"]})),
        (path, json!({"allowlist": vec!["203.0.113.1"; 101]})),
        (path, json!({"stage": {"pre-login": {"rate": 1}}})),
        (path, json!({"shields": ["user_notification"]})),
        ("/attack-protection/brute-force-protection", json!({"max_attempts": 0})),
        ("/attack-protection/brute-force-protection", json!({"max_attempts": 101})),
        ("/attack-protection/brute-force-protection", json!({"mode": "none"})),
        ("/attack-protection/brute-force-protection", json!({"shields": ["block", "block"]})),
        ("/attack-protection/captcha", json!({"active_provider_id": "riddle"})),
        ("/attack-protection/captcha", json!({"hcaptcha": "key"})),
        ("/attack-protection/bot-detection", json!({"bot_detection_level": "paranoid"})),
        ("/risk-assessments/settings/new-device", json!({"remember_for": 366})),
        ("/risk-assessments/settings", json!({"enabled": "yes"})),
    ];
    for (path, body) in wrong {
        admin.expect(400, "PATCH", path, Some(body)).await;
    }
}

#[tokio::test]
async fn the_secrets_of_captchas_are_sealed_never_come_back_and_are_in_no_log() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/attack-protection/captcha";
    let body = json!({"active_provider_id": "recaptcha_enterprise",
        "recaptcha_enterprise": {"site_key": "public", "api_key": "h1dden-key", "project_id": "p"},
        "hcaptcha": {"site_key": "public", "secret": "h1dden-secret"}});
    let told = admin.expect(200, "PATCH", path, Some(body)).await;
    assert_eq!(told["recaptcha_enterprise"], json!({"site_key": "public", "project_id": "p"}));
    assert_eq!(told["hcaptcha"], json!({"site_key": "public"}));
    let read = admin.expect(200, "GET", path, None).await;
    assert_eq!(read, told);
    let logs = admin.expect(200, "GET", "/logs?per_page=100", None).await.to_string();
    assert!(logs.contains("captcha") && !logs.contains("h1dden"));
    let sql = "select data from settings where name = 'attack-protection.captcha'";
    let row = app.app.db().read().await.unwrap().fetch_optional(sql, Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.get::<String>("data").unwrap(), "{}", "nothing of it stands in the open");
}

fn theme() -> Value {
    json!({
        "borders": {"button_border_radius": 2, "button_border_weight": 1.34, "buttons_style": "pill",
                    "input_border_radius": 2, "input_border_weight": 1, "inputs_style": "pill",
                    "show_widget_shadow": true, "widget_border_weight": 2, "widget_corner_radius": 7},
        "colors": {"primary_button": "#ab12cd", "body_text": "#1e212a", "error": "#d03c38"},
        "fonts": {"font_url": "", "links_style": "normal", "title": {"bold": true, "size": 100}},
        "page_background": {"background_color": "#000000", "page_layout": "center"},
        "widget": {"logo_position": "center", "logo_height": 55}
    })
}

#[tokio::test]
async fn there_is_one_theme_which_the_pages_show_at_once_and_forget_with_it() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let none = admin.expect(404, "GET", "/branding/themes/default", None).await;
    assert_eq!(none["errorCode"], "theme_not_found");
    let made = admin.expect(200, "POST", "/branding/themes", Some(theme())).await;
    let id = made["themeId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    admin.expect(409, "POST", "/branding/themes", Some(theme())).await;
    assert_eq!(admin.expect(200, "GET", "/branding/themes/default", None).await, made);
    let page = async || app.get("/authorize?client_id=nobody").await.body;
    assert!(page().await.contains("#ab12cd") && page().await.contains("--radius-card:7px"));
    let path = format!("/branding/themes/{id}");
    let named =
        admin.expect(200, "PATCH", &path, Some(json!({"displayName": "Night", "themeId": "other"}))).await;
    assert_eq!((&named["displayName"], &named["themeId"]), (&json!("Night"), &json!(id)));
    assert_eq!(named["colors"], made["colors"]);
    let mut hostile = theme();
    hostile["colors"]["error"] = json!("red;}body{display:none");
    admin.expect(400, "PATCH", &path, Some(hostile)).await;
    admin.expect(400, "POST", "/branding/themes", Some(json!({"colors": {}}))).await;
    admin.expect(404, "PATCH", "/branding/themes/nobodys", Some(json!({}))).await;
    admin.expect(204, "DELETE", &path, None).await;
    admin.expect(404, "DELETE", &path, None).await;
    assert!(!page().await.contains("#ab12cd"));
}

#[tokio::test]
async fn a_page_template_has_both_tags_and_comes_as_text_or_in_an_object() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/branding/templates/universal-login";
    let none = admin.expect(404, "GET", path, None).await;
    assert_eq!(none["errorCode"], "inexistent_templates_universal_login");
    let template =
        "<!DOCTYPE html><html><head>{%- auth0:head -%}</head><body>{%- auth0:widget -%}</body></html>";
    assert_eq!(admin.expect(201, "PUT", path, Some(json!(template))).await, json!({}));
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({"body": template}));
    let other = template.replace("<body>", "<body class=\"mine\">");
    admin.expect(204, "PUT", path, Some(json!({"template": other}))).await;
    for wrong in [
        json!("<html>{%- auth0:head -%}</html>"),
        json!("<html>{%- auth0:widget -%}</html>"),
        json!(template.replace("<body>", "<body>{% for i in (1..1000000000) %}x{% endfor %}")),
        json!(template.replace("<body>", &format!("<body>{}", "{% if a %}".repeat(2000)))),
        json!(template.replace("<body>", "<body>{{ 99999999999999999999 }}")),
        json!({"template": 7}),
        json!(7),
        json!({}),
    ] {
        admin.expect(400, "PUT", path, Some(wrong)).await;
    }
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({"body": other}));
    admin.expect(204, "DELETE", path, None).await;
    admin.expect(404, "GET", path, None).await;
    admin.expect(204, "DELETE", path, None).await;
}

#[tokio::test]
async fn texts_and_partials_are_replaced_by_prompt_and_language_and_empty_ones_are_none() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/prompts/login/custom-text/en";
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({}));
    let texts = json!({"login": {"title": "Welcome to ${companyName}"}});
    assert_eq!(admin.expect(200, "PUT", path, Some(texts.clone())).await, texts);
    assert_eq!(admin.expect(200, "GET", path, None).await, texts);
    for other in
        ["/prompts/login/custom-text/fr", "/prompts/signup/custom-text/en", "/prompts/login/partials"]
    {
        assert_eq!(admin.expect(200, "GET", other, None).await, json!({}), "{other}");
    }
    assert_eq!(admin.expect(200, "PUT", path, Some(json!({"login": {}}))).await, json!({}));
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({}));
    let partials = json!({"login": {"form-content-start": "<div>Hello</div>"}});
    let path = "/prompts/login/partials";
    assert_eq!(admin.expect(200, "PUT", path, Some(partials.clone())).await, partials);
    assert_eq!(admin.expect(200, "GET", path, None).await, partials);
    for (path, body) in [
        ("/prompts/nothing/custom-text/en", json!({})),
        ("/prompts/login/custom-text/EN", json!({})),
        ("/prompts/login/custom-text/en", json!({"login": "Welcome"})),
        ("/prompts/login/custom-text/en", json!({"login": {"title": 7}})),
        ("/prompts/login/custom-text/en", json!([])),
        ("/prompts/login/custom-text/en", json!({"login": {"title": "x".repeat(9000)}})),
        ("/prompts/login/partials", json!({"login": {"form": {"a": "b"}}})),
    ] {
        admin.expect(400, "PUT", path, Some(body)).await;
    }
}

#[tokio::test]
async fn the_tenants_texts_stand_on_the_pages_of_their_language_as_text() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    admin.expect(200, "PATCH", "/tenants/settings", Some(json!({"enabled_locales": ["en", "fr"]}))).await;
    let title = async |locale: &str| {
        let mut browser = app.browser();
        browser.authorize(&[("ui_locales", locale)]).await;
        browser.text("h1").unwrap_or_default()
    };
    let (english, french) = (title("en").await, title("fr").await);
    let path = "/prompts/login/custom-text/en";
    let texts = json!({"login": {"title": "<script>alert(1)</script> ${companyName} & you"}});
    admin.expect(200, "PUT", path, Some(texts)).await;
    assert_eq!(title("en").await, "<script>alert(1)</script> Lockstep & you", "it is shown, and not run");
    assert_eq!(title("fr").await, french);
    let page = app.get("/authorize?client_id=nobody").await;
    assert!(!page.body.contains("alert(1)"), "another screen has other texts");
    let shared = json!({"common": {"backText": "Return", "backToLoginLinkText": "To the login"}});
    admin.expect(200, "PUT", "/prompts/common/custom-text/en", Some(shared)).await;
    let factor = json!({"mfa-otp-challenge": {"title": "Your code", "invalid-code": "No."}});
    admin.expect(200, "PUT", "/prompts/mfa-otp/custom-text/en", Some(factor)).await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ann = app.user_with_totp("ann@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ann).await.submit(&[("code", "000000")]).await;
    assert_eq!(browser.text("h1").unwrap_or_default(), "Your code");
    assert!(browser.page.body.contains(">No.<"), "errors too: {}", browser.page.body);
    admin.expect(200, "PUT", path, Some(json!({}))).await;
    assert_eq!(title("en").await, english);
}

#[tokio::test]
async fn the_tenants_frame_stands_around_the_pages_of_a_login_and_its_scripts_do_not_run() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let path = "/branding/templates/universal-login";
    let template = "<!DOCTYPE html><html lang=\"{{ locale }}\"><head>{%- auth0:head -%}<style>body{margin:0}</style>\
        <script>alert(1)</script></head><body class=\"{{ prompt.screen.name }}\"><h2>{{ tenant.friendly_name }} for \
        {{ application.name }}{{ nobody.knows }}</h2>{%- auth0:widget -%}</body></html>";
    admin.expect(201, "PUT", path, Some(json!(template))).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let page = &browser.page;
    assert!(page.body.starts_with("<!DOCTYPE html><html lang=\"en\"><head>"), "{}", page.body);
    assert!(page.body.contains("<body class=\"login\"><h2>Lockstep for Web</h2>"), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    let (_, styles) = policy.split_once("style-src").unwrap();
    assert!(styles.contains(" 'sha256-"), "{policy}");
    let (scripts, _) = policy.split_once("style-src").unwrap();
    assert!(!scripts.contains("unsafe") && !scripts.contains("sha256"), "{policy}");
    assert!(!page.body.contains("<script>alert(1)</script nonce"), "a script of theirs has no nonce");
    browser.password(&ana).await;
    browser.back_with_code();
    let error = app.get("/authorize?client_id=nobody").await;
    assert!(!error.body.contains("<h2>"), "an error needs no frame");
    for wrong in [
        "{%- auth0:head -%}{%- auth0:widget -%}{% if",
        "{%- auth0:head -%}{%- auth0:widget -%}{{ a | nofilter }}",
        "{{ a }}",
    ] {
        admin.expect(400, "PUT", path, Some(json!(wrong))).await;
    }
    admin.expect(204, "DELETE", path, None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    assert!(!browser.page.body.contains("<h2>"));
}

#[tokio::test]
async fn a_template_that_runs_away_with_a_pages_values_leaves_the_page_in_our_frame() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let locales = json!({"enabled_locales": ["en", "es", "fr", "de", "ja", "ar"]});
    admin.expect(200, "PATCH", "/tenants/settings", Some(locales)).await;
    // Without values these loops have nothing to do; with six languages they have millions of turns.
    let loops = "{% for l in tenant.enabled_locales %}".repeat(9);
    let ends = "{% endfor %}".repeat(9);
    let template = format!(
        "<html><head>{{%- auth0:head -%}}</head><body><h2>{loops}x{ends}</h2>{{%- auth0:widget -%}}</body></html>"
    );
    admin.expect(201, "PUT", "/branding/templates/universal-login", Some(json!(template))).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    assert!(!browser.page.body.contains("<h2>"), "{}", browser.page.body);
    browser.password(&ana).await;
    browser.back_with_code();
}

#[tokio::test]
async fn renderings_are_set_one_by_one_or_together_and_null_unsets() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let list = "/prompts/rendering?page=0&per_page=100&include_totals=true";
    assert_eq!(
        admin.expect(200, "GET", list, None).await,
        json!({"configs": [], "start": 0, "limit": 100, "total": 0})
    );
    let one = "/prompts/login-id/screen/login-id/rendering";
    assert_eq!(admin.expect(200, "PATCH", one, Some(json!({}))).await, json!({}));
    assert_eq!(admin.expect(200, "GET", one, None).await["rendering_mode"], "standard");
    let body = json!({"rendering_mode": "advanced", "filters": {"match_type": "includes_any", "clients": [{"id": "a"}]}});
    assert_eq!(admin.expect(200, "PATCH", one, Some(body.clone())).await, body);
    assert_eq!(admin.expect(200, "PATCH", one, Some(json!({"filters": null}))).await, json!({}));
    let read = admin.expect(200, "GET", one, None).await;
    assert_eq!((&read["rendering_mode"], read.get("filters")), (&json!("advanced"), Some(&json!(null))));
    let both = json!({"configs": [{"prompt": "login", "screen": "login", "rendering_mode": "advanced"},
                                  {"prompt": "signup", "screen": "signup", "head_tags": [{"tag": "script"}]}]});
    assert_eq!(admin.expect(200, "PATCH", "/prompts/rendering", Some(both.clone())).await, both);
    assert_eq!(admin.expect(200, "GET", list, None).await["total"], 3);
    let advanced = admin.expect(200, "GET", &format!("{list}&rendering_mode=advanced"), None).await;
    assert_eq!(advanced["total"], 2);
    let wrong = json!({"configs": [{"prompt": "nothing", "screen": "login"}]});
    admin.expect(400, "PATCH", "/prompts/rendering", Some(wrong)).await;
    admin.expect(400, "PATCH", "/prompts/login/screen/A%20B/rendering", Some(json!({}))).await;
}

#[tokio::test]
async fn the_issuers_domain_is_listed_only_where_the_operator_says_so() {
    let app = TestApp::new().await;
    let hidden = admin(&app).await;
    assert_eq!(hidden.expect(200, "GET", "/custom-domains", None).await, json!([]));
    assert_eq!(
        hidden.expect(200, "GET", "/custom-domains?take=10", None).await,
        json!({"custom_domains": []})
    );
    let default = hidden.expect(200, "GET", "/custom-domains/default", None).await;
    assert_eq!(default, json!({"domain": "lockstep.test"}));
    hidden.expect(404, "GET", "/custom-domains/cd_0000000000000001", None).await;
    let refused = hidden.expect(403, "POST", "/custom-domains", Some(json!({"domain": "a.test"}))).await;
    assert_eq!(refused["errorCode"], "operation_not_supported");
    let app = TestApp::with(|config| config.expose_primary_domain = true).await;
    let exposed = admin(&app).await;
    let domain = json!({"custom_domain_id": "cd_0000000000000001", "domain": "lockstep.test", "primary": true,
        "status": "ready", "type": "self_managed_certs", "verification": {"methods": []}, "tls_policy": "recommended"});
    assert_eq!(exposed.expect(200, "GET", "/custom-domains", None).await, json!([domain]));
    let one = "/custom-domains/cd_0000000000000001";
    assert_eq!(exposed.expect(200, "GET", one, None).await, domain);
    let change = json!({"tls_policy": "recommended", "custom_client_ip_header": null});
    assert_eq!(exposed.expect(200, "PATCH", one, Some(change)).await, domain);
}

#[tokio::test]
async fn what_there_is_none_of_is_answered_in_the_shape_that_tools_read() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    for (path, key) in [
        ("rules", "rules"),
        ("hooks", "hooks"),
        ("forms", "forms"),
        ("flows", "flows"),
        ("flows/vault/connections", "connections"),
        ("self-service-profiles", "self_service_profiles"),
        ("network-acls", "network_acls"),
    ] {
        let asked = format!("/{path}?page=0&per_page=100&include_totals=true");
        let expected = json!({"total": 0, "start": 0, "limit": 100, key: []});
        assert_eq!(admin.expect(200, "GET", &asked, None).await, expected);
    }
    for (path, key) in [
        ("user-attribute-profiles", "user_attribute_profiles"),
        ("connection-profiles", "connection_profiles"),
        ("token-exchange-profiles", "token_exchange_profiles"),
        ("event-streams", "eventStreams"),
        ("rate-limit-policies", "rate_limit_policies"),
        ("groups", "groups"),
        ("organizations", "organizations"),
        ("connections-scim-configurations", "scim_configurations"),
        ("connections-directory-provisionings", "directory_provisionings"),
    ] {
        let asked = format!("/{path}?take=10");
        assert_eq!(admin.expect(200, "GET", &asked, None).await, json!({key: []}));
    }
    for bare in ["/rules", "/rules-configs", "/organizations"] {
        assert_eq!(admin.expect(200, "GET", bare, None).await, json!([]));
    }
    for path in ["/organizations/org_1", "/organizations/name/acme"] {
        let none = admin.expect(404, "GET", path, None).await;
        assert_eq!(none["message"], "No organization found by that id or name");
    }
    admin.expect(403, "POST", "/organizations", Some(json!({"name": "acme"}))).await;
}
