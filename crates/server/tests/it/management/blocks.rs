//! Whom failed passwords keep out.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use lockstep_core::time::Span;
use serde_json::json;

use super::admin;
use crate::support::{Answer, PASSWORD, TestApp};

#[tokio::test]
async fn a_block_is_listed_under_any_spelling_and_its_release_frees_all() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for _ in 0..10 {
        browser.submit(&[("username", "ANA@example.com"), ("password", "wrong")]).await;
    }
    browser.submit(&[("username", "ana@example.com"), ("password", "wrong")]).await;
    for path in ["/user-blocks?identifier=ana@example.com", "/user-blocks/auth0%7Cana"] {
        let blocks = admin.expect(200, "GET", path, None).await;
        let first = &blocks["blocked_for"][0];
        assert_eq!(first["identifier"], "ana@example.com", "{path}");
        assert_eq!(first["connection"], "Username-Password-Authentication");
        assert!(first["ip"].is_string());
    }
    admin.expect(204, "DELETE", "/user-blocks?identifier=ANA@EXAMPLE.COM", None).await;
    let clean = admin.expect(200, "GET", "/user-blocks/auth0%7Cana", None).await;
    assert_eq!(clean, json!({"blocked_for": []}));
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    let logs = admin.expect(200, "GET", "/logs?q=type:ublkdu", None).await;
    assert_eq!(logs.as_array().map(Vec::len), Some(1));
    admin.expect(404, "GET", "/user-blocks/auth0%7Cnobody", None).await;
    admin.expect(400, "GET", "/user-blocks", None).await;
}

#[tokio::test]
async fn a_user_name_and_an_address_of_one_person_share_their_attempts() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let list = admin.expect(200, "GET", "/connections?name=Username-Password-Authentication", None).await;
    let connection = format!("/connections/{}", list[0]["id"].as_str().unwrap());
    let options = json!({"options": {"requires_username": true}});
    admin.expect(200, "PATCH", &connection, Some(options)).await;
    let ana = json!({"connection": "Username-Password-Authentication", "user_id": "ana", "username": "ana",
                     "email": "ana@example.com", "password": PASSWORD});
    admin.expect(201, "POST", "/users", Some(ana)).await;
    let spellings = ["ana@example.com", "ANA@example.com", " ana@example.com", "ana", "ana@EXAMPLE.com"];
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for spelling in spellings.iter().chain(&spellings) {
        browser.submit(&[("username", spelling), ("password", "wrong")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("wrong-credentials"), "{spelling}");
    }
    for spelling in spellings {
        browser.submit(&[("username", spelling), ("password", PASSWORD)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("user-blocked"), "{spelling}");
    }
    let blocks = admin.expect(200, "GET", "/user-blocks?identifier=ana@example.com", None).await;
    assert_eq!(blocks["blocked_for"].as_array().map(Vec::len), Some(1));
    for spelling in spellings {
        admin.expect(204, "DELETE", "/user-blocks?identifier=ana@example.com", None).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.submit(&[("username", spelling), ("password", PASSWORD)]).await;
        browser.back_with_code();
    }
}

/// Types a password from an address, and returns the error that the page shows; none when it let the person in.
async fn try_from(app: &TestApp, address: &str, password: &str) -> Option<String> {
    let mut browser = app.browser();
    browser.move_to_address(address);
    browser.authorize(&[]).await.submit(&[("username", "ana@example.com"), ("password", password)]).await;
    browser.error_shown()
}

const SETTINGS: &str = "/attack-protection/brute-force-protection";
const HERE: &str = "192.0.2.10";
const ELSEWHERE: &str = "198.51.100.7";

#[tokio::test]
async fn so_many_failures_as_the_tenant_says_block_the_pair_and_raising_the_number_frees_it() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    admin.expect(200, "PATCH", SETTINGS, Some(json!({"max_attempts": 3}))).await;
    for _ in 0..3 {
        assert_eq!(try_from(&app, HERE, "wrong").await.as_deref(), Some("wrong-credentials"));
    }
    assert_eq!(try_from(&app, HERE, PASSWORD).await.as_deref(), Some("user-blocked"));
    assert_eq!(try_from(&app, ELSEWHERE, PASSWORD).await, None, "the owner is elsewhere");
    let blocks = admin.expect(200, "GET", "/user-blocks/auth0%7Cana", None).await;
    assert_eq!(blocks["blocked_for"][0]["ip"], HERE);
    admin.expect(200, "PATCH", SETTINGS, Some(json!({"max_attempts": 4}))).await;
    assert_eq!(admin.expect(200, "GET", "/user-blocks/auth0%7Cana", None).await, json!({"blocked_for": []}));
    assert_eq!(try_from(&app, HERE, PASSWORD).await, None);
}

#[tokio::test]
async fn account_lockout_counts_from_everywhere_and_more_failures_do_not_prolong_it() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let lockout = json!({"mode": "count_per_identifier", "max_attempts": 4});
    admin.expect(200, "PATCH", SETTINGS, Some(lockout)).await;
    for from in [HERE, ELSEWHERE, HERE, ELSEWHERE] {
        assert_eq!(try_from(&app, from, "wrong").await.as_deref(), Some("wrong-credentials"));
    }
    let blocked = async || {
        assert_eq!(try_from(&app, "203.0.113.5", PASSWORD).await.as_deref(), Some("user-blocked"));
    };
    blocked().await;
    let blocks = admin.expect(200, "GET", "/user-blocks/auth0%7Cana", None).await;
    assert_eq!(blocks["blocked_for"].as_array().map(Vec::len), Some(1));
    assert_eq!(blocks["blocked_for"][0].get("ip"), None, "{blocks}");
    // Somebody tries every day, blocked each time; the block ends when it would have ended.
    for _ in 0..29 {
        app.clock.advance(Span::days(1));
        blocked().await;
    }
    app.clock.advance(Span::days(1));
    assert_eq!(try_from(&app, HERE, PASSWORD).await, None);
}

#[tokio::test]
async fn who_is_not_counted_or_only_watched_is_never_blocked() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let connection =
        admin.expect(200, "GET", "/connections?name=Username-Password-Authentication", None).await;
    let connection = format!("/connections/{}", connection[0]["id"].as_str().unwrap());
    let fresh = json!({"enabled": true, "shields": ["block"], "allowlist": [], "max_attempts": 1});
    for off in [
        json!({"enabled": false}),
        json!({"shields": ["user_notification"]}),
        json!({"allowlist": ["192.0.2.0/24"]}),
        json!({}),
    ] {
        admin.expect(200, "PATCH", SETTINGS, Some(fresh.clone())).await;
        admin.expect(200, "PATCH", SETTINGS, Some(off.clone())).await;
        let switched_off = off == json!({});
        let options = json!({"options": {"brute_force_protection": !switched_off}});
        admin.expect(200, "PATCH", &connection, Some(options)).await;
        for _ in 0..3 {
            assert_eq!(try_from(&app, HERE, "wrong").await.as_deref(), Some("wrong-credentials"), "{off}");
        }
        assert_eq!(try_from(&app, HERE, PASSWORD).await, None, "{off}");
        if off["allowlist"].is_array() {
            try_from(&app, ELSEWHERE, "wrong").await;
            assert_eq!(try_from(&app, ELSEWHERE, PASSWORD).await.as_deref(), Some("user-blocked"));
            admin.expect(204, "DELETE", "/user-blocks/auth0%7Cana", None).await;
        }
    }
    let watched = admin.expect(200, "GET", "/logs?q=type:limit_wc", None).await;
    assert!(watched.as_array().is_some_and(|logs| !logs.is_empty()), "what is only watched is logged");
}

#[tokio::test]
async fn another_address_of_one_subscriber_buys_no_new_attempts() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    admin.expect(200, "PATCH", SETTINGS, Some(json!({"max_attempts": 2}))).await;
    for from in ["2001:db8:1:2::1", "2001:db8:1:2:aaaa::2"] {
        try_from(&app, from, "wrong").await;
    }
    let third = try_from(&app, "2001:db8:1:2:bbbb::3", PASSWORD).await;
    assert_eq!(third.as_deref(), Some("user-blocked"));
    assert_eq!(try_from(&app, "2001:db8:1:3::1", PASSWORD).await, None, "the neighbour is not blocked");
}

/// Returns what is counted about ana: the names of the buckets with what is in them.
async fn counted(app: &TestApp) -> Vec<(String, i64)> {
    let mut conn = app.app.db().read().await.unwrap();
    let rows = conn.fetch_all("select name, tokens from buckets order by name", vec![]).await.unwrap();
    let all = rows.iter().map(|row| (row.get("name").unwrap(), row.get("tokens").unwrap()));
    all.filter(|(name, _): &(String, i64)| name.contains("auth0|ana")).collect()
}

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";

/// Sends a form of `ropg` from an address.
async fn post(app: &TestApp, from: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let common = [("client_id", "ropg"), ("client_secret", "ropg-secret")];
    let all = fields.iter().chain(&common);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
    let request = Request::post(path)
        .header("host", "lockstep.test")
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(ConnectInfo(SocketAddr::new(from.parse().unwrap(), 40_000)));
    app.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn made_up_mfa_tokens_from_a_blocked_address_change_no_counter_of_the_user() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    for _ in 0..10 {
        try_from(&app, HERE, "wrong").await;
    }
    assert_eq!(try_from(&app, HERE, PASSWORD).await.as_deref(), Some("user-blocked"));
    let before = counted(&app).await;
    assert_eq!(before.len(), 1, "{before:?}");
    for n in 0..50 {
        let token = format!("Fe26.2*{n}");
        let answer = [("grant_type", OTP), ("mfa_token", &token), ("otp", "000000")];
        assert_eq!(post(&app, HERE, "/oauth/token", &answer).await.status, 403);
        assert_eq!(post(&app, HERE, "/mfa/challenge", &[("mfa_token", &token)]).await.status, 403);
    }
    assert_eq!(counted(&app).await, before);
    let mut owner = app.browser();
    owner.move_to_address(ELSEWHERE);
    owner.authorize(&[]).await.password(&ana).await;
    owner.code(&app.code(&ana)).await;
    owner.back_with_code();
}

#[tokio::test]
async fn a_password_grant_is_kept_out_from_the_blocked_address_alone_whatever_the_spelling() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let grant = async |from: &str, name: &str, password: &str| {
        let fields = [("grant_type", "password"), ("username", name), ("password", password)];
        post(&app, from, "/oauth/token", &fields).await
    };
    for name in
        ["ana@example.com", "ANA@example.com", " ana@example.com", "ana@EXAMPLE.com", "Ana@example.com"]
    {
        for _ in 0..2 {
            assert_eq!(grant(HERE, name, "wrong").await.status, 403, "{name}");
        }
    }
    for name in ["ana@example.com", "ANA@EXAMPLE.COM", " ana@example.com"] {
        let blocked = grant(HERE, name, PASSWORD).await;
        assert_eq!((blocked.status.as_u16(), &blocked.json()["error"]), (429, &json!("too_many_attempts")));
    }
    let hers = grant(ELSEWHERE, "ana@example.com", PASSWORD).await.json();
    let (token, code) = (hers["mfa_token"].as_str().unwrap(), app.code(&ana));
    let answer = [("grant_type", OTP), ("mfa_token", token), ("otp", &code)];
    assert_eq!(post(&app, ELSEWHERE, "/oauth/token", &answer).await.status, 200);
    admin(&app).await.expect(204, "DELETE", "/user-blocks?identifier=ana@example.com", None).await;
    assert_eq!(grant(HERE, "ANA@example.com", PASSWORD).await.json()["error"], "mfa_required");
}
