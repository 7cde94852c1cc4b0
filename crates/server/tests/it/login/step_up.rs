//! Step-up by `acr_values` and `max_age` (contract/step-up-and-claims.md 8 and 16).

use lockstep_core::time::Span;
use serde_json::json;

use crate::support::{ACR, API, TestApp, claims};

const PAPE: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &[]).await;
    app
}

#[tokio::test]
async fn with_policy_never_a_plain_login_claims_the_password_and_no_more() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let tokens = app.log_in(&mut app.browser(), &ana, &[("audience", API), ("scope", "openid read:a")]).await;
    assert_eq!(tokens.id["amr"], json!(["pwd"]));
    assert!(tokens.id.get("acr").is_none());
    assert_eq!(tokens.id["auth_time"], app.now().as_secs());
    let access = claims(tokens.answer["access_token"].as_str().unwrap());
    assert_eq!(access["amr"], json!(["pwd"]));
    assert!(access.get("acr").is_none());
    assert_eq!(access["auth_time"], tokens.id["auth_time"]);
}

#[tokio::test]
async fn a_step_up_in_a_session_asks_for_the_code_and_not_for_the_password() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let before = app.log_in(&mut browser, &ana, &[]).await;
    app.clock.advance(Span::minutes(10));
    browser.authorize(&[ACR, ("audience", API)]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    assert!(
        browser.attribute("input[name=rememberBrowser]", "name").is_none(),
        "no remember box when acr asks"
    );
    browser.code(&app.code(&ana)).await;
    let after = app.redeem(&browser.back_with_code()).await;
    assert_eq!(after.id["amr"], json!(["pwd", "mfa", "otp"]));
    assert_eq!(after.id["acr"], PAPE);
    assert_eq!(after.id["auth_time"], app.now().as_secs());
    assert_eq!(after.id["sid"], before.id["sid"], "the session stays the same");
    let access = claims(after.answer["access_token"].as_str().unwrap());
    assert_eq!((&access["amr"], &access["acr"]), (&after.id["amr"], &after.id["acr"]));
}

#[tokio::test]
async fn silent_renewal_after_a_step_up_keeps_what_was_proven() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let first = app.log_in(&mut browser, &ana, &[ACR]).await;
    app.clock.advance(Span::minutes(20));
    browser.authorize(&[("prompt", "none")]).await;
    let silent = app.redeem(&browser.back_with_code()).await;
    for claim in ["amr", "acr", "auth_time", "sid"] {
        assert_eq!(silent.id[claim], first.id[claim], "{claim}");
    }
}

#[tokio::test]
async fn a_silent_step_up_fails_with_the_text_that_sdks_compare() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[("prompt", "none"), ACR]).await;
    assert_eq!(browser.back_with_error(), ("login_required".to_owned(), "Login required".to_owned()));
    app.log_in(&mut browser, &ana, &[]).await;
    browser.authorize(&[("prompt", "none"), ACR]).await;
    let mfa = ("login_required".to_owned(), "Multifactor authentication required".to_owned());
    assert_eq!(browser.back_with_error(), mfa);
    browser.authorize(&[("prompt", "none"), ACR, ("max_age", "0")]).await;
    assert_eq!(browser.back_with_error(), mfa);
}

#[tokio::test]
async fn max_age_zero_asks_for_password_and_code_once_and_does_not_loop() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[ACR]).await;
    app.clock.advance(Span::seconds(60));
    browser.authorize(&[ACR, ("max_age", "0")]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    // Slow fingers: three minutes until the code. auth_time is the end of the ceremony, so the client's max_age check passes.
    app.clock.advance(Span::minutes(3));
    browser.code(&app.code(&ana)).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["auth_time"], app.now().as_secs());
}

#[tokio::test]
async fn a_login_older_than_max_age_is_asked_again_and_a_younger_one_is_not() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    let first = app.log_in(&mut browser, &ana, &[]).await;
    app.clock.advance(Span::minutes(5));
    browser.authorize(&[("max_age", "600")]).await;
    let second = app.redeem(&browser.back_with_code()).await;
    assert_eq!(second.id["auth_time"], first.id["auth_time"], "an old session's auth_time, not now");
    app.clock.advance(Span::minutes(6));
    browser.authorize(&[("max_age", "600")]).await;
    assert_eq!(browser.screen(), "login");
    assert_eq!(browser.attribute("input#username", "value").as_deref(), Some("ana@example.com"));
    browser.authorize(&[("max_age", "600"), ("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}

#[tokio::test]
async fn only_the_second_factor_is_asked_when_only_it_is_older_than_max_age() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[ACR]).await;
    app.clock.advance(Span::minutes(30));
    browser.authorize(&[ACR]).await;
    browser.back_with_code();
    // prompt=login with the password alone begins a new list of evidence.
    browser.authorize(&[("prompt", "login")]).await.password(&ana).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd"]));
    browser.authorize(&[ACR, ("max_age", "300")]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn without_any_enabled_factor_the_asked_level_is_unmet_and_says_so() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[ACR]).await.password(&ana).await;
    assert_eq!(browser.back_with_error().0, "unmet_authentication_requirements");
    app.mfa(&[], &["all-applications"]).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!((browser.screen().as_str(), browser.page.status.as_u16()), ("status", 403));
}

#[tokio::test]
async fn silent_renewal_works_in_a_session_that_has_passed_mfa_and_fails_in_one_that_has_not() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut without = app.browser();
    app.log_in(&mut without, &ana, &[]).await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let mut with = app.browser();
    app.clock.advance(Span::seconds(30));
    app.log_in(&mut with, &ana, &[]).await;
    with.authorize(&[("prompt", "none")]).await;
    with.back_with_code();
    without.authorize(&[("prompt", "none")]).await;
    assert_eq!(without.back_with_error().1, "Multifactor authentication required");
}

#[tokio::test]
async fn a_step_up_of_an_hour_ago_is_asked_anew_where_freshness_is_wanted() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let first = app.log_in(&mut browser, &ana, &[ACR]).await;
    app.clock.advance(Span::hours(1));
    browser.authorize(&[ACR]).await;
    let old = app.redeem(&browser.back_with_code()).await;
    assert_eq!(old.id["auth_time"], first.id["auth_time"], "the client can tell how old it is");
    for max_age in ["300", "0"] {
        browser.authorize(&[ACR, ("max_age", max_age)]).await;
        if browser.screen() == "login" {
            browser.password(&ana).await;
        }
        assert_eq!(browser.screen(), "mfa-otp-challenge", "max_age={max_age}");
        browser.code(&app.code(&ana)).await;
        let fresh = app.redeem(&browser.back_with_code()).await;
        assert_eq!(fresh.id["auth_time"], app.now().as_secs());
        app.clock.advance(Span::hours(1));
    }
}

#[tokio::test]
async fn auth_time_is_there_whenever_freshness_was_asked_and_is_never_now() {
    let app = app().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let began = app.now().as_secs();
    app.clock.advance(Span::minutes(20));
    let claims = ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#);
    let voluntary = ("claims", r#"{"id_token":{"auth_time":null}}"#);
    // A login begun with prompt=login, and the same address without it: nobody was asked, so nothing is fresher.
    browser.authorize(&[("prompt", "login")]).await;
    assert_eq!(browser.screen(), "login");
    for more in [&[("max_age", "10000")][..], &[claims], &[voluntary], &[claims, ("max_age", "10000")], &[]] {
        browser.authorize(more).await;
        let tokens = app.redeem(&browser.back_with_code()).await;
        assert_eq!(tokens.id["auth_time"].as_i64(), Some(began), "{more:?}: whole seconds of the login");
    }
    for more in
        [&[("max_age", "0")][..], &[("prompt", "login")], &[("prompt", "login"), ("max_age", "10000")]]
    {
        app.clock.advance(Span::minutes(1));
        browser.authorize(more).await.password(&ana).await;
        let tokens = app.redeem(&browser.back_with_code()).await;
        assert_eq!(tokens.id["auth_time"].as_i64(), Some(app.now().as_secs()), "{more:?}");
    }
}

#[tokio::test]
async fn silent_renewal_serves_each_application_of_the_session_and_logs_why_it_failed() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let pkce = [
        ("client_id", "spa"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let silent = [("prompt", "none"), ("response_mode", "web_message")];
    let of_spa = [&pkce[..], &silent[..]].concat();
    let mut without = app.browser();
    without.authorize(&pkce).await.password(&ana).await;
    without.back_with_code();
    app.mfa(&["otp"], &["all-applications"]).await;
    let mut with = app.browser();
    with.authorize(&pkce).await.password(&ana).await.code(&app.code(&ana)).await;
    with.back_with_code();
    for more in [&of_spa[..], &silent[..]] {
        with.authorize(more).await;
        assert_eq!(with.page.status, 200);
        assert!(with.page.body.contains("\"code\""), "{more:?}: {}", with.page.body);
        without.authorize(more).await;
        assert!(!without.page.body.contains("\"code\""), "{more:?}: {}", without.page.body);
        assert!(without.page.body.contains("Multifactor authentication required"), "{}", without.page.body);
    }
    app.app.logs().flush().await;
    let admin = crate::management::admin(&app).await;
    let logs = admin.expect(200, "GET", "/logs?q=type:fsa", None).await;
    let told: Vec<_> = logs.as_array().unwrap().iter().map(|l| &l["description"]).collect();
    assert_eq!(told, ["Multifactor authentication required"; 2]);
}

#[tokio::test]
async fn silent_renewal_counts_a_remembered_browser_as_the_policy_does() {
    let app = app().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    app.clock.advance(Span::minutes(1));
    // A new session of the password alone, spared by the remembered browser.
    browser.drop_cookie("__Host-auth0");
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    browser.drop_cookie("__Host-auth0-mf");
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().1, "Multifactor authentication required");
}
