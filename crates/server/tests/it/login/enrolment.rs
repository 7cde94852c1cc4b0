//! Setting up an authenticator app during a login.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use serde_json::json;

use crate::support::{ACR, Browser, TestApp};

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app
}

/// Returns the app entry that the page shows, by its link.
fn scan(browser: &Browser<'_>) -> AuthenticatorApp {
    let uri = browser.attribute("a[href^='otpauth:']", "href").expect("a link that opens the app");
    AuthenticatorApp::scan(&uri).unwrap()
}

#[tokio::test]
async fn a_new_user_enrols_saves_the_recovery_code_and_is_back_with_mfa() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    let phone = scan(&browser);
    browser.code("000000").await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
    browser.code(&phone.code_at(app.now())).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-enrollment");
    browser.submit(&[]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("no-confirmation"));
    let code = browser.save_recovery_code().await;
    assert_eq!(code.len(), 24);
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "otp"]));
}

#[tokio::test]
async fn the_code_that_confirms_an_enrolment_cannot_also_log_in() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    let phone = scan(&browser);
    let code = phone.code_at(app.now());
    browser.code(&code).await;
    browser.save_recovery_code().await;
    let mut other = app.browser();
    other.authorize(&[]).await.password(&cy).await.code(&code).await;
    assert_eq!(other.error_shown().as_deref(), Some("invalid-code"));
    app.clock.advance(Span::seconds(30));
    other.code(&phone.code_at(app.now())).await;
    other.back_with_code();
}

#[tokio::test]
async fn reload_or_a_typo_does_not_change_the_secret_being_enrolled() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    let first = scan(&browser).secret();
    let url = browser.url.clone();
    browser.goto(&url).await;
    assert_eq!(scan(&browser).secret(), first);
    browser.code("000000").await;
    assert_eq!(scan(&browser).secret(), first);
    browser.submit(&[("action", "show-code")]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-code");
    assert_eq!(scan(&browser).secret(), first);
}

#[tokio::test]
async fn of_two_enrolments_at_once_one_counts_and_no_unconfirmed_secret_is_active() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let (mut one, mut two) = (app.browser(), app.browser());
    one.authorize(&[]).await.password(&cy).await;
    two.authorize(&[]).await.password(&cy).await;
    let (phone_one, phone_two) = (scan(&one), scan(&two));
    two.code(&phone_two.code_at(app.now())).await;
    two.save_recovery_code().await;
    two.back_with_code();
    one.code(&phone_one.code_at(app.now())).await;
    assert_ne!(
        one.screen(),
        "mfa-recovery-code-enrollment",
        "the second enrolment does not slip in without a challenge"
    );
    app.clock.advance(Span::seconds(60));
    let mut later = app.browser();
    later.authorize(&[]).await.password(&cy).await.code(&phone_one.code_at(app.now())).await;
    assert_eq!(later.error_shown().as_deref(), Some("invalid-code"));
}

#[tokio::test]
async fn leaving_midway_enrols_nothing_and_a_new_tab_does_not_skip_it() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(
        browser.back_with_error().0,
        "login_required",
        "after the password and before the factor nothing is open"
    );
    browser.authorize(&[]).await;
    assert_eq!(browser.screen(), "login");
}

#[tokio::test]
async fn a_phone_is_shown_the_key_first() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser
        .pretend_to_be("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile/15E148 Safari/604.1");
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-code");
}

#[tokio::test]
async fn an_easier_request_in_another_tab_does_not_skip_the_enrolment_of_the_first() {
    let app = app().await;
    app.mfa(&["otp"], &[]).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[ACR]).await.password(&cy).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    let first = browser.url.clone();
    let state = browser.query("state").unwrap();
    let spa = [
        ("client_id", "spa"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    browser.authorize(&spa).await.password(&cy).await;
    browser.back_with_code();
    for url in [
        first.clone(),
        format!("{first}&ui_locales=fr"),
        format!("{first}&client_id=spa"),
        format!("/u/login?state={state}"),
        format!("/u/login?state={state}&restart=1"),
        format!("/u/consent?state={state}"),
        format!("/authorize/resume?state={state}"),
    ] {
        browser.goto(&url).await;
        assert!(browser.url.starts_with("https://lockstep.test/"), "{url} led to {}", browser.url);
        browser.goto(&first).await;
        for action in ["default", "accept", "skip", "back", "restart"] {
            browser.submit(&[("action", action)]).await;
            assert!(browser.url.starts_with("https://lockstep.test/"), "{action} led to {}", browser.url);
            browser.goto(&first).await;
        }
    }
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    app.clock.advance(Span::minutes(61));
    browser.goto(&first).await;
    assert_eq!(browser.page.status, 400);
    assert!(browser.page.body.contains("data-screen"));
    // The session of the easier request does not do for the stronger one either.
    browser.authorize(&[ACR]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    let phone = scan(&browser);
    browser.code(&phone.code_at(app.now())).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "otp"]));
}
