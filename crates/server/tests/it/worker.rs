//! Work without a request, over whole logins.

use lockstep_core::time::Span;
use lockstep_engine::worker::cleanup;

use crate::support::{ACR, TestApp};

#[tokio::test]
async fn cleanup_removes_what_is_over_and_nothing_that_is_in_use() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    app.redeem(&browser.back_with_code()).await;

    cleanup::run(&app.app).await.unwrap();
    browser.authorize(&[("prompt", "none"), ACR]).await;
    browser.back_with_code();

    app.clock.advance(Span::days(400));
    assert!(
        cleanup::run(&app.app).await.unwrap() >= 5,
        "login, code, session, remembered browser, log records"
    );
    assert_eq!(cleanup::run(&app.app).await.unwrap(), 0, "a second look finds nothing more");

    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.code(&code).await;
    browser.back_with_code();
}

#[tokio::test]
async fn cleanup_gives_nobody_more_guesses() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    for _ in 0..30 {
        browser.code("000000").await;
    }
    let before = browser.error_shown();
    cleanup::run(&app.app).await.unwrap();
    let mut again = app.browser();
    again.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    again.code(&code).await;
    assert_eq!(again.screen(), "mfa-otp-challenge", "still blocked: {before:?}");
}
