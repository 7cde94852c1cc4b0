//! Users.

use lockstep_engine::store::outbox;
use serde_json::{Value, json};

use super::{AUDIENCE, token};
use crate::support::{PASSWORD, TestApp};

async fn patch(app: &TestApp, token: &str, body: Value) -> u16 {
    app.json("PATCH", "/api/v2/users/auth0|ana", Some(token), Some(body)).await.status.as_u16()
}

#[tokio::test]
async fn writable_fields_are_listed_and_the_rest_is_refused() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    for field in
        ["authentication_methods", "identities", "last_login", "multifactor", "logins_count", "__proto__"]
    {
        assert_eq!(patch(&app, &full, json!({field: []})).await, 400, "{field}");
    }
    let only_users = token(&app, &["update:users"]).await;
    for field in ["authentication_methods", "identities", "last_login", "multifactor"] {
        let body = Some(json!({field: []}));
        let told = app.json("PATCH", "/api/v2/users/auth0|ana", Some(&only_users), body).await.json();
        let message = told["message"].as_str().unwrap();
        assert!(
            message.contains("Additional properties not allowed") && message.contains(field),
            "{message}"
        );
    }
    let only_app = token(&app, &["update:users_app_metadata"]).await;
    assert_eq!(patch(&app, &only_app, json!({"app_metadata": {"plan": "gold"}})).await, 200);
    assert_eq!(patch(&app, &only_app, json!({"blocked": true})).await, 403);
    let both = json!({"password": "New-password-1", "email": "new@example.com"});
    assert_eq!(patch(&app, &full, both).await, 400);
}

#[tokio::test]
async fn addresses_that_could_break_a_mail_are_refused_and_nothing_is_stored() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    for email in [
        "a@example.com\r\nBcc: x@evil.example",
        "a@example.com%0d%0aDATA",
        "\"a\r\nb\"@example.com",
        "a@exam\u{0}ple.com",
        "a@b@example.com",
    ] {
        assert_eq!(patch(&app, &full, json!({"email": email})).await, 400, "{email:?}");
    }
    let read = app.json("GET", "/api/v2/users/auth0|ana", Some(&full), None).await.json();
    assert_eq!(read["email"], "ana@example.com");
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_refresh_tokens() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    assert_eq!(patch(&app, &full, json!({"password": "New-password-1"})).await, 200);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
    let refresh = tokens.answer["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", refresh),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.status, 403);
    let mut old = app.browser();
    old.authorize(&[]).await.submit(&[("username", &ana.email), ("password", PASSWORD)]).await;
    assert_eq!(old.error_shown().as_deref(), Some("wrong-credentials"));
}

#[tokio::test]
async fn a_users_own_token_changes_her_metadata_and_nothing_else_of_nobody_else() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    app.user("ben@example.com").await;
    let mut browser = app.browser();
    let scope = "openid read:current_user update:current_user_metadata update:users";
    let tokens = app.log_in(&mut browser, &ana, &[("audience", AUDIENCE), ("scope", scope)]).await;
    let own = tokens.answer["access_token"].as_str().unwrap();
    let patch = async |user: &str, body: Value| {
        let answer = app.json("PATCH", &format!("/api/v2/users/auth0|{user}"), Some(own), Some(body)).await;
        answer.status.as_u16()
    };
    assert_eq!(patch("ana", json!({"user_metadata": {"colour": "blue"}})).await, 200);
    for body in [
        json!({"app_metadata": {"role": "admin"}}),
        json!({"user_metadata": {"a": 1}, "app_metadata": {"role": "admin"}}),
        json!({"email_verified": true}),
        json!({"blocked": false}),
        json!({"password": "N3w-password!"}),
    ] {
        assert_eq!(patch("ana", body.clone()).await, 403, "{body}");
    }
    assert_eq!(patch("ben", json!({"user_metadata": {"colour": "blue"}})).await, 403);
    let other = app.json("GET", "/api/v2/users/auth0|ben", Some(own), None).await;
    assert_eq!(other.status, 403);
    let stored = app.json("GET", "/api/v2/users/auth0|ana", Some(own), None).await.json();
    assert_eq!((&stored["user_metadata"]["colour"], stored.get("app_metadata")), (&json!("blue"), None));
}

#[tokio::test]
async fn secrets_stay_out_of_the_tenant_log() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &[]).await;
    let full = token(&app, &[]).await;
    let body = json!({"connection": "Username-Password-Authentication", "email": "eve@example.com", "password": "S3cret-password!", "user_id": "eve"});
    assert_eq!(app.json("POST", "/api/v2/users", Some(&full), Some(body)).await.status, 201);
    let seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let method = json!({"type": "totp", "name": "App", "totp_secret": seed});
    assert_eq!(
        app.json("POST", "/api/v2/users/auth0|eve/authentication-methods", Some(&full), Some(method))
            .await
            .status,
        201
    );
    let code = app
        .json("POST", "/api/v2/users/auth0|eve/recovery-code-regeneration", Some(&full), None)
        .await
        .json();
    let rotated = app.json("POST", "/api/v2/clients/web/rotate-secret", Some(&full), None).await.json();
    let logs = app.json("GET", "/api/v2/logs?per_page=100", Some(&full), None).await;
    assert!(logs.json().as_array().unwrap().iter().any(|l| l["type"] == "sapi"), "{}", logs.body);
    for secret in [
        "S3cret-password!",
        seed,
        code["recovery_code"].as_str().unwrap(),
        rotated["client_secret"].as_str().unwrap(),
        &full,
    ] {
        assert!(!logs.body.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn searches_find_by_the_common_forms() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    app.user("ben@example.org").await;
    let full = token(&app, &[]).await;
    for (q, found) in [
        ("email:ana@example.com", 1),
        ("email:\"ana@example.com\"", 1),
        ("email:*@example.org", 1),
        ("user_id:\"auth0|ben\"", 1),
        ("email:ana@example.com OR email:ben@example.org", 2),
        ("NOT email:ana@example.com", 1),
        ("email:nobody@example.com", 0),
        ("identities.connection:\"Username-Password-Authentication\"", 2),
    ] {
        let encoded = percent_encoding::utf8_percent_encode(q, percent_encoding::NON_ALPHANUMERIC);
        let answer = app
            .json(
                "GET",
                &format!("/api/v2/users?q={encoded}&search_engine=v3&include_totals=true"),
                Some(&full),
                None,
            )
            .await;
        assert_eq!(answer.status, 200, "{q}: {}", answer.body);
        assert_eq!(answer.json()["total"], found, "{q}");
    }
    let bad = app.json("GET", "/api/v2/users?q=email%3A%28", Some(&full), None).await;
    assert_eq!((bad.status.as_u16(), bad.json()["errorCode"].as_str()), (400, Some("invalid_query_string")));
}

#[tokio::test]
async fn a_name_with_line_breaks_adds_no_header_to_a_mail() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &[]).await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    let name = "Eve\r\nSubject: Pay\r\n\r\nhi";
    for field in ["name", "given_name", "nickname"] {
        assert_eq!(patch(&app, &full, json!({field: name})).await, 400, "{field}");
    }
    let tenant = json!({"friendly_name": "Ev\nil\r\nBcc: x@evil.example"});
    let set = app.json("PATCH", "/api/v2/tenants/settings", Some(&full), Some(tenant)).await;
    assert_eq!(set.status, 400, "{}", set.body);
    let body = json!({"user_id": "auth0|ana", "send_mail": true});
    let ticket = app.json("POST", "/api/v2/guardian/enrollments/ticket", Some(&full), Some(body)).await;
    assert_eq!(ticket.status, 200, "{}", ticket.body);
    let mut conn = app.app.db().read().await.unwrap();
    let mails = outbox::list(&mut conn, 10).await.unwrap();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].message.recipient, "ana@example.com");
    let subject = mails[0].message.subject.as_str();
    assert!(!subject.is_empty() && !subject.contains(['\r', '\n']), "{subject:?}");
}

#[tokio::test]
async fn a_user_with_an_address_that_could_break_a_mail_is_not_created() {
    let app = TestApp::new().await.with_apps().await;
    let full = token(&app, &[]).await;
    for email in [
        "a@example.com\r\nBcc: x@evil.example",
        "a@example.com%0d%0aDATA",
        "\"a\r\nb\"@example.com",
        "a@exam\u{0}ple.com",
    ] {
        let body =
            json!({"connection": "Username-Password-Authentication", "email": email, "password": PASSWORD});
        let answer = app.json("POST", "/api/v2/users", Some(&full), Some(body)).await;
        assert_eq!(answer.status, 400, "{email:?}: {}", answer.body);
        assert_eq!(answer.json()["errorCode"], "invalid_body", "{email:?}");
    }
    assert_eq!(app.json("GET", "/api/v2/users", Some(&full), None).await.json(), json!([]));
}

#[tokio::test]
async fn a_user_blocked_after_the_login_is_blocked_at_every_redemption() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let admin = token(&app, &["update:users"]).await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    browser.authorize(&[]).await;
    let code = browser.back_with_code();
    let web = [("client_id", "web"), ("client_secret", "web-secret")];
    let refresh = tokens.answer["refresh_token"].as_str().unwrap();
    let by_refresh = [&web[..], &[("grant_type", "refresh_token"), ("refresh_token", refresh)]].concat();
    let back = ("redirect_uri", crate::support::CALLBACK);
    let by_code = [&web[..], &[("grant_type", "authorization_code"), ("code", &code), back]].concat();
    assert_eq!(patch(&app, &admin, json!({"blocked": true})).await, 200);
    for fields in [&by_code, &by_refresh] {
        let refused = app.form("/oauth/token", fields).await;
        assert!(refused.status.is_client_error(), "{}", refused.body);
        assert!(!refused.body.contains("access_token"));
    }
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required", "her session is gone");
    let access = tokens.answer["access_token"].as_str().unwrap();
    assert_eq!(app.json("GET", "/userinfo", Some(access), None).await.status, 401);
    assert_eq!(patch(&app, &admin, json!({"blocked": false})).await, 200);
    let dead = app.form("/oauth/token", &by_code).await;
    assert_eq!(dead.json()["error"], "invalid_grant", "the code was good once");
    let alive = app.form("/oauth/token", &by_refresh).await;
    assert_eq!(alive.status, 200, "blocking is no revocation: {}", alive.body);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required", "and does not come back");
}

#[tokio::test]
async fn of_a_deleted_user_nothing_can_be_redeemed() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let admin = token(&app, &["delete:users"]).await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    browser.authorize(&[]).await;
    let code = browser.back_with_code();
    let gone = app.json("DELETE", "/api/v2/users/auth0|ana", Some(&admin), None).await;
    assert_eq!(gone.status, 204);
    let web = [("client_id", "web"), ("client_secret", "web-secret")];
    let refresh = tokens.answer["refresh_token"].as_str().unwrap();
    let back = ("redirect_uri", crate::support::CALLBACK);
    for grant in [
        &[("grant_type", "refresh_token"), ("refresh_token", refresh)][..],
        &[("grant_type", "authorization_code"), ("code", &code), back],
    ] {
        let refused = app.form("/oauth/token", &[&web[..], grant].concat()).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("invalid_grant")));
    }
    let access = tokens.answer["access_token"].as_str().unwrap();
    assert_eq!(app.json("GET", "/userinfo", Some(access), None).await.status, 401);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}
