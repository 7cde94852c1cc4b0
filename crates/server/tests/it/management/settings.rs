//! Tenant settings, and the settings of single factors.

use lockstep_core::time::Span;
use serde_json::json;

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn tenant_settings_merge_flags_take_minutes_and_unset_with_null() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/tenants/settings";
    let body = json!({"flags": {"enable_sso": false}, "session_lifetime_in_minutes": 90, "support_url": "https://x.example"});
    let changed = admin.expect(200, "PATCH", path, Some(body)).await;
    assert_eq!(changed["session_lifetime"], 1.5);
    assert_eq!(
        (&changed["flags"]["enable_sso"], &changed["flags"]["universal_login"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(changed["phone_consolidated_experience"], false);
    let nulls = json!({"acr_values_supported": null, "default_token_quota": null, "error_page": null});
    let unset = admin.expect(200, "PATCH", path, Some(nulls)).await;
    assert_eq!(unset.get("acr_values_supported"), None);
    let one = admin
        .expect(200, "GET", "/tenants/settings?include_fields=true&fields=idle_session_lifetime", None)
        .await;
    assert_eq!(one, json!({"idle_session_lifetime": 72}));
    admin.expect(400, "PATCH", path, Some(json!({}))).await;
    admin.expect(400, "PATCH", path, Some(json!({"default_redirection_uri": "http://x.example"}))).await;
}

#[tokio::test]
async fn what_tenant_settings_answer_can_be_sent_back_and_each_has_its_bounds() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/tenants/settings";
    let page = json!({"change_password": {"enabled": true, "html": "<p>mine</p>"}, "error_page": {"url": "https://a.test"}});
    admin.expect(200, "PATCH", path, Some(page)).await;
    let part =
        json!({"change_password": {"enabled": false}, "idle_ephemeral_session_lifetime_in_minutes": 1});
    let changed = admin.expect(200, "PATCH", path, Some(part)).await;
    assert_eq!(changed["change_password"], json!({"enabled": false, "html": "<p>mine</p>"}));
    assert_eq!(changed["error_page"], json!({"html": "", "show_log_link": false, "url": "https://a.test"}));
    assert_eq!(admin.expect(200, "PATCH", path, Some(changed.clone())).await, changed);
    for wrong in [
        json!({"session_lifetime": 0}),
        json!({"session_lifetime": 8761}),
        json!({"idle_session_lifetime_in_minutes": 0}),
        json!({"session_cookie": {"mode": "sometimes"}}),
        json!({"sessions": {"oidc_logout_prompt_enabled": "yes"}}),
        json!({"device_flow": {"charset": "base64"}}),
        json!({"country_codes": {"mode": "some"}}),
        json!({"flags": {"enable_sso": "yes"}}),
        json!({"flags": []}),
        json!({"enabled_locales": []}),
        json!({"sandbox_version": "node-22-lts"}),
        json!({"resource_parameter_profile": "both"}),
        json!({"change_password": {"html": 7}}),
        json!({"acr_values_supported": "a"}),
    ] {
        admin.expect(400, "PATCH", path, Some(wrong)).await;
    }
    assert_eq!(admin.expect(200, "GET", path, None).await, changed);
}

#[tokio::test]
async fn sessions_that_end_with_the_window_have_lifetimes_of_their_own() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let body = json!({"session_cookie": {"mode": "non-persistent"}, "idle_ephemeral_session_lifetime_in_minutes": 60,
                      "ephemeral_session_lifetime_in_minutes": 90});
    admin.expect(200, "PATCH", "/tenants/settings", Some(body)).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    for (minutes, logged_in) in [(50, true), (39, true), (2, false)] {
        app.clock.advance(Span::minutes(minutes));
        browser.authorize(&[]).await;
        assert_eq!(
            browser.url.starts_with("https://lockstep.test/u/"),
            !logged_in,
            "after {minutes}: {}",
            browser.url
        );
    }
    let mode = json!({"session_cookie": {"mode": "persistent"}});
    admin.expect(200, "PATCH", "/tenants/settings", Some(mode)).await;
    browser.password(&ana).await;
    browser.back_with_code();
    app.clock.advance(Span::hours(70));
    browser.authorize(&[]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn how_logins_begin_is_set_shown_whole_and_takes_effect() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let path = "/prompts";
    let fresh = json!({
        "universal_login_experience": "new", "identifier_first": false, "webauthn_platform_first_factor": false
    });
    assert_eq!(admin.expect(200, "GET", path, None).await, fresh);
    let begins = async |with: &str| {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        assert_eq!(browser.screen(), with);
    };
    begins("login").await;
    let changed = admin.expect(200, "PATCH", path, Some(json!({"identifier_first": true}))).await;
    let mut expected = fresh.clone();
    expected["identifier_first"] = json!(true);
    assert_eq!(changed, expected);
    begins("login-id").await;
    let odd =
        [json!({"universal_login_experience": "old"}), json!({"identifier_first": "yes"}), json!({"a": 1})];
    for odd in odd {
        admin.expect(400, "PATCH", path, Some(odd)).await;
    }
    assert_eq!(admin.expect(200, "GET", path, None).await, expected);
    assert_eq!(admin.expect(200, "PATCH", path, Some(json!({"identifier_first": null}))).await, fresh);
    begins("login").await;
}

#[tokio::test]
async fn branding_keeps_what_is_not_sent_unsets_with_null_and_takes_only_colours() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/branding";
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({}));
    let colors = json!({"primary": "#0059d6", "page_background": "#000000"});
    let logo = "https://mycompany.org/v1/logo.png";
    let body = json!({"colors": colors, "logo_url": logo, "font": {"url": "https://mycompany.org/f.otf"}});
    assert_eq!(admin.expect(200, "PATCH", path, Some(body.clone())).await, body);
    let changed = admin.expect(200, "PATCH", path, Some(json!({"font": null}))).await;
    assert_eq!(changed, json!({"colors": colors, "logo_url": logo}));
    let gradient = json!({"type": "linear-gradient", "start": "#fff", "end": "#000", "angle_deg": 35});
    let body = json!({"colors": {"primary": "#ea5323", "page_background": gradient}});
    admin.expect(200, "PATCH", path, Some(body.clone())).await;
    assert_eq!(admin.expect(200, "GET", path, None).await["colors"], body["colors"]);
    for wrong in [
        json!({"colors": {"primary": "red;}body{display:none"}}),
        json!({"colors": {"page_background": "url(//evil.example)"}}),
        json!({"colors": {"page_background": {"type": "linear-gradient", "start": "#fff"}}}),
        json!({"colors": {"page_background": 7}}),
        json!({"logo_url": "javascript:alert(1)"}),
    ] {
        admin.expect(400, "PATCH", path, Some(wrong)).await;
    }
    let page = app.get("/authorize?client_id=nobody").await;
    assert!(page.body.contains("#ea5323"), "the pages show it at once");
}

#[tokio::test]
async fn the_mail_provider_is_one_its_secrets_never_come_back_and_a_new_one_keeps_nothing_of_the_old() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/emails/provider";
    let none = admin.expect(404, "GET", path, None).await;
    assert_eq!(none["errorCode"], "inexistent_email_provider");
    admin.expect(404, "PATCH", path, Some(json!({"enabled": false}))).await;
    let smtp = json!({"name": "smtp", "enabled": true, "default_from_address": "no-reply@example.com",
        "credentials": {"smtp_host": "smtp.example.com", "smtp_port": 587, "smtp_user": "user", "smtp_pass": "s3cret-pass"}});
    for wrong in [
        json!({"name": "smtp", "credentials": {"smtp_host": "smtp.example.com"}}),
        json!({"name": "smtp", "credentials": {"smtp_host": "smtp.example.com", "smtp_port": 70_000}}),
        json!({"name": "smtp", "credentials": {"smtp_host": "a\r\nb", "smtp_port": 25}}),
        json!({"name": "pigeon", "credentials": {}}),
        json!({"name": "smtp"}),
        json!({"name": "sendgrid", "credentials": {"api_key": ["a"]}}),
    ] {
        admin.expect(400, "POST", path, Some(wrong)).await;
    }
    let mut shown = smtp.clone();
    shown["credentials"].as_object_mut().unwrap().remove("smtp_pass");
    assert_eq!(admin.expect(201, "POST", path, Some(smtp.clone())).await, shown);
    admin.expect(409, "POST", path, Some(smtp)).await;
    let fields = format!("{path}?fields=name,enabled&include_fields=true");
    assert_eq!(admin.expect(200, "GET", &fields, None).await, json!({"name": "smtp", "enabled": true}));
    let port = json!({"credentials": {"smtp_port": 465}, "settings": {"headers": {}}});
    let changed = admin.expect(200, "PATCH", path, Some(port)).await;
    assert_eq!(changed["credentials"]["smtp_host"], "smtp.example.com", "what is not sent stays");
    let ses = json!({"name": "ses", "credentials": {"accessKeyId": "AKIA1", "secretAccessKey": "k", "region": "us-east-1"}});
    admin.expect(400, "PATCH", path, Some(json!({"name": "ses"}))).await;
    let changed = admin.expect(200, "PATCH", path, Some(ses)).await;
    assert_eq!(changed["credentials"], json!({"region": "us-east-1"}));
    assert!(changed.get("settings").is_none());
    let logs = admin.expect(200, "GET", "/logs?per_page=100", None).await.to_string();
    assert!(!logs.contains("s3cret-pass") && !logs.contains("AKIA1"));
    admin.expect(204, "DELETE", path, None).await;
    admin.expect(404, "GET", path, None).await;
}

#[tokio::test]
async fn provider_settings_come_back_as_they_were_sent() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let twilio = "/guardian/factors/phone/providers/twilio";
    assert_eq!(admin.expect(200, "GET", twilio, None).await, json!({}));
    let sent = json!({"from": "123", "auth_token": "t0ken", "sid": "s"});
    assert_eq!(admin.expect(200, "PUT", twilio, Some(sent.clone())).await, sent);
    let read = admin.expect(200, "GET", "/guardian/factors/sms/providers/twilio", None).await;
    assert_eq!(
        read,
        json!({"from": "123", "auth_token": "t0ken", "sid": "s", "messaging_service_sid": null})
    );
    let roaming = "/guardian/factors/webauthn-roaming/settings";
    let sent = json!({"userVerification": "preferred"});
    assert_eq!(admin.expect(200, "PUT", roaming, Some(sent.clone())).await, sent);
    assert_eq!(admin.expect(200, "GET", roaming, None).await["overrideRelyingParty"], false);
    // A domain that no browser lets our pages ask for would strand every key.
    let platform = "/guardian/factors/webauthn-platform/settings";
    for path in [roaming, platform] {
        for named in ["evil.example", "test.lockstep.test", "", "Lockstep.test"] {
            let sent = json!({"overrideRelyingParty": true, "relyingPartyIdentifier": named});
            let told = admin.expect(400, "PUT", path, Some(sent)).await;
            assert!(told["message"].as_str().unwrap().contains("relyingPartyIdentifier"), "{named}: {told}");
        }
        let sent = json!({"overrideRelyingParty": true});
        admin.expect(400, "PUT", path, Some(sent)).await;
        let sent = json!({"overrideRelyingParty": true, "relyingPartyIdentifier": "lockstep.test"});
        assert_eq!(admin.expect(200, "PUT", path, Some(sent.clone())).await, sent);
        assert_eq!(admin.expect(200, "GET", path, None).await["relyingPartyIdentifier"], "lockstep.test");
    }
    let apns = "/guardian/factors/push-notification/providers/apns";
    let sent = json!({"sandbox": true, "bundle_id": "com.acme", "p12": "c2VjcmV0"});
    let told = admin.expect(200, "PUT", apns, Some(sent)).await;
    assert_eq!(told, json!({"sandbox": true, "bundle_id": "com.acme"}));
    assert_eq!(admin.expect(200, "GET", apns, None).await["enabled"], true);
    let remember = json!({"mfa_session_inactivity_timeout": 7200, "mfa_session_overall_timeout": 3600});
    admin.expect(400, "PUT", "/guardian/settings", Some(remember)).await;
    let logs = admin.expect(200, "GET", "/logs?per_page=100", None).await.to_string();
    assert!(!logs.contains("t0ken") && !logs.contains("c2VjcmV0"));
    assert!(logs.contains("gd_tenant_update"));
}
