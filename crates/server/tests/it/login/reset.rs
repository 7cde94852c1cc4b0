//! A forgotten password.

use lockstep_core::time::Span;
use lockstep_engine::store::outbox;

use crate::support::{PASSWORD, Person, TestApp};

/// Asks for a link and returns it, if a mail was written.
async fn ask(app: &TestApp, email: &str) -> Option<String> {
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/reset-password/request/Username-Password-Authentication?state={state}")).await;
    assert_eq!(browser.screen(), "reset-password-request");
    browser.submit(&[("email", email)]).await;
    assert_eq!(browser.screen(), "reset-password-email", "the same for everybody");
    let mut conn = app.app.db().read().await.unwrap();
    let mails = outbox::list(&mut conn, 10).await.unwrap();
    let mail = mails.into_iter().find(|m| m.message.recipient == email)?;
    let link = mail.message.text.lines().find(|l| l.starts_with("https://"))?.to_owned();
    Some(link)
}

async fn set(app: &TestApp, link: &str, password: &str) -> (u16, String) {
    let mut browser = app.browser();
    browser.goto(link).await;
    browser.submit(&[("password", password), ("re-enter-password", password)]).await;
    (browser.page.status.as_u16(), browser.screen())
}

async fn can_log_in(app: &TestApp, person: &Person, password: &str) -> bool {
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    browser.submit(&[("username", &person.email), ("password", password)]).await;
    browser.url.starts_with("https://app.example")
}

#[tokio::test]
async fn a_link_sets_a_new_password_once_and_ends_what_the_old_one_opened() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let link = ask(&app, "ana@example.com").await.unwrap();
    assert!(link.starts_with("https://lockstep.test/u/reset-verify?ticket="));
    // A mail scanner's look changes nothing.
    for _ in 0..2 {
        let page = app.get(link.strip_prefix("https://lockstep.test").unwrap()).await;
        assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, None));
    }
    assert_eq!(set(&app, &link, "weak").await.1, "reset-password");
    assert_eq!(set(&app, &link, "New-password-1").await, (200, "reset-password-success".to_owned()));
    assert_eq!(set(&app, &link, "Other-password-1").await.1, "reset-password-error");
    assert!(can_log_in(&app, &ana, "New-password-1").await);
    assert!(!can_log_in(&app, &ana, PASSWORD).await);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}

#[tokio::test]
async fn a_reset_does_not_bypass_mfa() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let link = ask(&app, "ana@example.com").await.unwrap();
    let mut browser = app.browser();
    browser.goto(&link).await;
    browser.submit(&[("password", "New-password-1"), ("re-enter-password", "New-password-1")]).await;
    assert!(browser.cookie("__Host-auth0").is_none(), "nobody is logged in by a reset");
    browser.authorize(&[]).await;
    browser.submit(&[("username", &ana.email), ("password", "New-password-1")]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn unknown_users_get_the_same_page_and_no_mail_and_old_links_die() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    assert_eq!(ask(&app, "nobody@example.com").await, None);
    let first = ask(&app, "ana@example.com").await.unwrap();
    app.clock.advance(Span::minutes(1));
    let second = ask(&app, "ana@example.com").await.unwrap();
    assert_eq!(set(&app, &first, "New-password-1").await.1, "reset-password-error");
    app.clock.advance(Span::days(6));
    assert_eq!(set(&app, &second, "New-password-1").await.1, "reset-password-error");
}

#[tokio::test]
async fn an_address_that_is_two_is_none() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    for odd in [
        "email=ana%40example.com&email=x%40evil.example",
        "email%5B%5D=ana%40example.com&email%5B%5D=x%40evil.example",
        "email=ana%40example.com%2Cx%40evil.example",
        "email=ana%40example.com%0d%0aBcc%3A+x%40evil.example",
        "email=ana%40exam%00ple.com",
    ] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        let state = browser.query("state").unwrap();
        browser
            .goto(&format!("/u/reset-password/request/Username-Password-Authentication?state={state}"))
            .await;
        browser.submit_encoded(odd).await;
        assert!(browser.page.status.as_u16() < 500, "{odd}: {}", browser.page.status);
        let mut conn = app.app.db().read().await.unwrap();
        let mails = outbox::list(&mut conn, 10).await.unwrap();
        assert!(mails.is_empty(), "{odd} sent {} mails", mails.len());
    }
}
