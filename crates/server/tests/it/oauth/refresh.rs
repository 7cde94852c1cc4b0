//! Refresh tokens: rotation, reuse, MFA.

use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{ACR, API, CALLBACK, Person, Shared, TestApp, at_once, claims};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: (&str, &str) = ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &[]).await;
    app
}

/// Logs in at `spa` and returns the first tokens.
async fn log_in(app: &TestApp, person: &Person, more: &[(&str, &str)]) -> Value {
    let mut browser = app.browser();
    let mut all = vec![
        ("client_id", "spa"),
        ("scope", "openid offline_access read:a"),
        ("audience", API),
        CHALLENGE,
        ("code_challenge_method", "S256"),
    ];
    all.extend(more);
    browser.authorize(&all).await.password(person).await;
    if browser.screen() == "mfa-otp-challenge" {
        let code = app.code(person);
        browser.code(&code).await;
    }
    let code = browser.back_with_code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let answer = app.form("/oauth/token", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn refresh(app: &TestApp, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let mut fields = vec![("grant_type", "refresh_token"), ("client_id", "spa"), ("refresh_token", token)];
    fields.extend(more);
    let answer = app.form("/oauth/token", &fields).await;
    (answer.status.as_u16(), answer.json())
}

fn token(answer: &Value) -> String {
    answer["refresh_token"].as_str().expect("a refresh token").to_owned()
}

fn invalid() -> (u16, Value) {
    (403, json!({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}))
}

/// Returns how many records of a type the tenant log has.
async fn logged(app: &TestApp, kind: &str) -> usize {
    app.app.logs().flush().await;
    let logs = admin(app).await.expect(200, "GET", &format!("/logs?q=type:{kind}"), None).await;
    logs.as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn reuse_of_a_rotated_token_kills_the_family() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let r1 = token(&log_in(&app, &ana, &[]).await);
    let (status, answer) = refresh(&app, &r1, &[]).await;
    assert_eq!(status, 200);
    let r2 = token(&answer);
    assert_ne!(r1, r2);
    assert_eq!(refresh(&app, &r1, &[]).await, invalid());
    assert_eq!(refresh(&app, &r2, &[]).await, invalid(), "the whole family is gone");
    assert_eq!(logged(&app, "ferrt").await, 1);
}

#[tokio::test]
async fn inside_the_leeway_only_the_token_before_the_newest_may_come_again() {
    let app = app().await;
    app.leeway("spa", 5).await;
    let ana = app.user("ana@example.com").await;
    let r1 = token(&log_in(&app, &ana, &[]).await);
    let r2 = token(&refresh(&app, &r1, &[]).await.1);
    app.clock.advance(Span::seconds(2));
    let (status, again) = refresh(&app, &r1, &[]).await;
    assert_eq!(status, 200, "an honest double");
    assert_eq!(refresh(&app, &token(&again), &[]).await.0, 200, "both of one family");
    let ben = app.user("ben@example.com").await;
    let r1 = token(&log_in(&app, &ben, &[]).await);
    let r2b = token(&refresh(&app, &r1, &[]).await.1);
    let r3b = token(&refresh(&app, &r2b, &[]).await.1);
    assert_eq!(refresh(&app, &r1, &[]).await, invalid(), "the second to last is a reuse");
    assert_eq!(refresh(&app, &r3b, &[]).await, invalid(), "and ends the family");
    let cy = app.user("cy@example.com").await;
    let r1 = token(&log_in(&app, &cy, &[]).await);
    let last = token(&refresh(&app, &r1, &[]).await.1);
    app.clock.advance(Span::seconds(6));
    assert_eq!(refresh(&app, &r1, &[]).await, invalid(), "after the leeway too");
    assert_eq!(refresh(&app, &last, &[]).await, invalid());
    assert_eq!(logged(&app, "ferrt").await, 2, "one for each of the two reuses");
    let _ = r2;
}

#[tokio::test]
async fn of_fifty_refreshes_at_two_servers_one_wins_and_reuse_ends_the_family() {
    for shared in Shared::each().await {
        let apps = [shared.server().await.with_apps().await, shared.server().await];
        let ana = apps[0].user("ana@example.com").await;
        let r1 = token(&log_in(&apps[0], &ana, &[]).await);
        let answers = at_once((0..50).map(|n| refresh(&apps[n % 2], &r1, &[]))).await;
        let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
        assert!(answers.iter().all(|a| a.0 == 200 || *a == invalid()), "{answers:?}");
        assert_eq!(won.len(), 1);
        assert_eq!(refresh(&apps[1], &token(&won[0].1), &[]).await, invalid(), "the losers were reuse");
    }
}

#[tokio::test]
async fn inside_the_leeway_fifty_refreshes_at_two_servers_stay_one_family() {
    for shared in Shared::each().await {
        let apps = [shared.server().await.with_apps().await, shared.server().await];
        apps[0].leeway("spa", 5).await;
        let ana = apps[0].user("ana@example.com").await;
        let r1 = token(&log_in(&apps[0], &ana, &[]).await);
        let answers = at_once((0..50).map(|n| refresh(&apps[n % 2], &r1, &[]))).await;
        assert!(answers.iter().all(|a| a.0 == 200), "{answers:?}");
        // One family: the end of it ends them all.
        let revoke = [("client_id", "spa"), ("token", &token(&answers[0].1))];
        assert_eq!(apps[1].form("/oauth/revoke", &revoke).await.status, 200);
        for (n, (_, answer)) in answers.iter().enumerate() {
            assert_eq!(refresh(&apps[n % 2], &token(answer), &[]).await, invalid());
        }
    }
}

#[tokio::test]
async fn a_refresh_keeps_what_was_proven_and_proves_nothing_new() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let first = log_in(&app, &ana, &[ACR]).await;
    let before = claims(first["id_token"].as_str().unwrap());
    app.clock.advance(Span::hours(5));
    let (status, answer) = refresh(&app, &token(&first), &[]).await;
    assert_eq!(status, 200);
    let after = claims(answer["id_token"].as_str().unwrap());
    for claim in ["amr", "acr", "auth_time", "sub", "aud", "sid"] {
        assert_eq!(after[claim], before[claim], "{claim}");
    }
    assert!(after.get("nonce").is_none());
    let access = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(access["amr"], json!(["pwd", "mfa", "otp"]));
    assert_eq!(access["gty"], "refresh_token");
}

#[tokio::test]
async fn policy_always_does_not_break_a_renewal_that_began_with_mfa_and_asks_one_that_did_not() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let with = token(&log_in(&app, &ana, &[ACR]).await);
    app.clock.advance(Span::seconds(30));
    let without = token(&log_in(&app, &ana, &[]).await);
    app.mfa(&["otp"], &["all-applications"]).await;
    let mut renewed = with;
    for _ in 0..5 {
        let (status, answer) = refresh(&app, &renewed, &[]).await;
        assert_eq!(status, 200);
        renewed = token(&answer);
    }
    assert_eq!(logged(&app, "sertft").await, 5);
    let another =
        json!({"type": "totp", "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "name": "Tablet"});
    let path = "/users/auth0%7Cana/authentication-methods";
    admin(&app).await.expect(201, "POST", path, Some(another)).await;
    let code = admin(&app)
        .await
        .expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", Some(json!({})))
        .await;
    assert!(code["recovery_code"].is_string());
    assert_eq!(refresh(&app, &renewed, &[]).await.0, 200, "a factor enrolled meanwhile asks nobody");
    let (status, answer) = refresh(&app, &without, &[]).await;
    assert_eq!((status, answer["error"].as_str().unwrap()), (403, "mfa_required"));
    assert_eq!(answer["error_description"], "Multifactor authentication required");
    assert_eq!((logged(&app, "mfar").await, logged(&app, "fertft").await), (1, 0), "it goes on: no failure");
    assert!(answer["mfa_token"].is_string());
    assert_eq!(answer["mfa_requirements"], json!({"challenge": [{"type": "otp"}]}));
    app.mfa(&["otp"], &[]).await;
    assert_eq!(refresh(&app, &without, &[]).await.0, 200, "that answer consumed nothing");
}

#[tokio::test]
async fn acr_values_in_the_body_ask_for_mfa_and_max_age_is_ignored() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let plain = token(&log_in(&app, &ana, &[]).await);
    assert_eq!(refresh(&app, &plain, &[ACR]).await.1["error"], "mfa_required");
    assert_eq!(refresh(&app, &plain, &[("max_age", "0")]).await.0, 200);
    app.clock.advance(Span::seconds(30));
    let stepped = token(&log_in(&app, &ana, &[ACR]).await);
    assert_eq!(refresh(&app, &stepped, &[ACR, ("max_age", "0")]).await.0, 200);
}

#[tokio::test]
async fn scopes_can_be_narrowed_and_not_widened() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let first = log_in(&app, &ana, &[]).await;
    assert_eq!(first["scope"], "openid offline_access read:a");
    let (_, answer) = refresh(&app, &token(&first), &[("scope", "openid read:a transfer:b")]).await;
    assert_eq!(answer["scope"], "openid read:a");
}

#[tokio::test]
async fn families_end_by_idleness_by_age_and_by_revocation() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let idle = token(&log_in(&app, &ana, &[]).await);
    app.clock.advance(Span::days(16));
    assert_eq!(refresh(&app, &idle, &[]).await, invalid());
    let mut old = token(&log_in(&app, &ana, &[]).await);
    for _ in 0..2 {
        app.clock.advance(Span::days(14));
        old = token(&refresh(&app, &old, &[]).await.1);
    }
    app.clock.advance(Span::days(3));
    assert_eq!(refresh(&app, &old, &[]).await, invalid(), "rotation does not lengthen the family's life");
    let revoked = token(&log_in(&app, &ana, &[]).await);
    let answer = app.form("/oauth/revoke", &[("client_id", "spa"), ("token", &revoked)]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    assert_eq!(refresh(&app, &revoked, &[]).await, invalid());
    assert_eq!(app.form("/oauth/revoke", &[("client_id", "spa"), ("token", "unknown")]).await.status, 200);
    let live = token(&log_in(&app, &ana, &[]).await);
    let theft = app
        .form("/oauth/revoke", &[("client_id", "web"), ("client_secret", "web-secret"), ("token", &live)])
        .await;
    assert_eq!(theft.status, 400);
    assert_eq!(refresh(&app, &live, &[]).await.0, 200);
}
