//! A forgotten password.

use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::model::message::MessageKind;
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use lockstep_engine::store::{methods, outbox};
use serde_json::json;

use crate::support::{Browser, PASSWORD, Person, TestApp};

const ORIGIN: &str = "https://lockstep.test";

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
async fn a_connection_may_leave_new_passwords_to_the_operator() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let admin = crate::management::admin(&app).await;
    let (_, found) = admin.call("GET", "/connections?name=Username-Password-Authentication", None).await;
    let mut options = found[0]["options"].clone();
    assert_eq!(options["disable_self_service_change_password"], false);
    options["disable_self_service_change_password"] = json!(true);
    let path = format!("/connections/{}", found[0]["id"].as_str().unwrap());
    let (answer, _) = admin.call("PATCH", &path, Some(json!({"options": options}))).await;
    assert_eq!(answer.status, 200);
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    assert!(!browser.page.body.contains("/u/reset-password/request"), "no link leads there");
    assert_eq!(ask(&app, "ana@example.com").await, None, "and who finds the page gets no mail");
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

/// Sets a new password by mail, and stays at the page that follows.
async fn after_reset<'a>(app: &'a TestApp, person: &Person) -> Browser<'a> {
    let link = ask(app, &person.email).await.unwrap();
    let mut browser = app.browser();
    browser.goto(&link).await;
    browser.submit(&[("password", PASSWORD), ("re-enter-password", PASSWORD)]).await;
    app.clock.advance(Span::minutes(1));
    browser
}

async fn with_passkeys() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.passkeys(json!({})).await;
    app
}

#[tokio::test]
async fn after_a_new_password_a_passkey_is_offered_and_logs_in_from_then_on() {
    let app = with_passkeys().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = after_reset(&app, &ana).await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    assert!(browser.url.starts_with("https://lockstep.test/u/reset-password/passkey?"), "{}", browser.url);
    assert!(browser.cookie("__Host-auth0").is_none(), "nobody is logged in by a reset");
    browser.submit(&[("failure", "NotAllowedError")]).await;
    assert_eq!(
        (browser.page.status.as_u16(), browser.error_shown().as_deref()),
        (400, Some("passkey-authentication-failed"))
    );
    // Pressed where no script runs.
    browser.submit(&[]).await;
    assert_eq!((browser.screen().as_str(), browser.error_shown()), ("passkey-enrollment", None));
    let before = browser.key_options();
    app.clock.advance(Span::minutes(4));
    let url = browser.url.clone();
    browser.goto(&url).await;
    assert_ne!(
        browser.key_options()["challenge"],
        before["challenge"],
        "a page that stands open asks anew in time"
    );
    let wrong = VirtualKey::new(Model::SYNCED).create(&before, ORIGIN, &mut SystemRng).unwrap().to_string();
    browser.submit(&[("response", &wrong)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    let mut key = VirtualKey::new(Model::DEVICE);
    browser.make_key(&mut key).await;
    assert_eq!((browser.screen().as_str(), browser.page.status.as_u16()), ("reset-password-success", 200));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("passkey"));
    let mut login = app.browser();
    login.authorize(&[]).await;
    let asked = login.attribute("[data-key=login]", "data-options").unwrap();
    let said = key.get(&serde_json::from_str(&asked).unwrap(), ORIGIN).unwrap().to_string();
    login.submit(&[("action", "passkey"), ("response", &said)]).await;
    login.back_with_code();
    // The page is over, and says so to who comes back to it.
    browser.goto(&url).await;
    assert_eq!(browser.screen(), "reset-password-success");
    // Who has one is offered none.
    assert_eq!(after_reset(&app, &ana).await.screen(), "reset-password-success");
}

#[tokio::test]
async fn an_offer_after_a_new_password_is_left_for_a_week_or_for_ever_at_the_login_too() {
    let app = with_passkeys().await;
    let ana = app.user("ana@example.com").await;
    let log_in = async || {
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        browser.screen() == "passkey-enrollment"
    };
    let mut browser = after_reset(&app, &ana).await;
    browser.submit(&[("action", "skip")]).await;
    assert_eq!(browser.screen(), "reset-password-success");
    assert!(!log_in().await, "put off");
    assert_eq!(after_reset(&app, &ana).await.screen(), "reset-password-success");
    app.clock.advance(Span::days(8));
    let mut browser = after_reset(&app, &ana).await;
    browser.submit(&[("action", "skip"), ("doNotShowAgain", "true")]).await;
    app.clock.advance(Span::days(400));
    assert!(!log_in().await, "declined");
    assert_eq!(after_reset(&app, &ana).await.screen(), "reset-password-success");
    // A browser that cannot make one has declined nothing.
    let ben = app.user("ben@example.com").await;
    let mut unable = after_reset(&app, &ben).await;
    unable.submit(&[("action", "skip"), ("unable", "1")]).await;
    assert_eq!(unable.screen(), "reset-password-success");
    assert_eq!(after_reset(&app, &ben).await.screen(), "passkey-enrollment");
}

#[tokio::test]
async fn a_mailbox_adds_no_passkey_to_somebody_who_has_a_factor() {
    let app = with_passkeys().await;
    let ana = app.user_with_totp("ana@example.com").await;
    app.mfa(&[], &[]).await;
    assert_eq!(
        after_reset(&app, &ana).await.screen(),
        "reset-password-success",
        "also one that is switched off"
    );
    app.mfa(&["otp"], &[]).await;
    assert_eq!(after_reset(&app, &ana).await.screen(), "reset-password-success");
    // Nor to somebody who got one while the page stood open.
    let ben = app.user("ben@example.com").await;
    app.mfa(&["webauthn-roaming"], &[]).await;
    let mut browser = after_reset(&app, &ben).await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    app.with_key(&ben, Model::SECURITY_KEY).await;
    browser.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    assert_eq!(browser.screen(), "reset-password-success");
    let mut conn = app.app.db().read().await.unwrap();
    let methods = methods::list_of_user(&mut conn, &ben.id).await.unwrap();
    assert_eq!(methods.iter().map(|method| method.kind.as_str()).collect::<Vec<_>>(), ["webauthn-roaming"]);
}

#[tokio::test]
async fn an_offer_after_a_new_password_ends_with_its_time_another_password_and_its_connection() {
    let app = with_passkeys().await;
    let ana = app.user("ana@example.com").await;
    let mut late = after_reset(&app, &ana).await;
    let asked = late.key_options();
    app.clock.advance(Span::minutes(10));
    let said = VirtualKey::new(Model::SYNCED).create(&asked, ORIGIN, &mut SystemRng).unwrap().to_string();
    late.submit(&[("response", &said)]).await;
    assert_eq!(late.screen(), "reset-password-success", "the password is set in any case");
    let mut old = after_reset(&app, &ana).await;
    let newer = after_reset(&app, &ana).await;
    old.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    let mut conn = app.app.db().read().await.unwrap();
    assert!(
        methods::list_of_user(&mut conn, &ana.id).await.unwrap().is_empty(),
        "who set it may be somebody else"
    );
    drop(conn);
    assert_eq!(newer.screen(), "passkey-enrollment");
    app.passkeys(json!({"progressive_enrollment_enabled": false})).await;
    assert_eq!(after_reset(&app, &ana).await.screen(), "reset-password-success");
    let mut browser = app.browser();
    browser.goto("/u/reset-password/passkey?ticket=unknown").await;
    assert_eq!(browser.screen(), "reset-password-error");
}
