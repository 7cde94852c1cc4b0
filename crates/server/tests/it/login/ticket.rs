//! Enrolment tickets.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use lockstep_engine::flows::enrollment_ticket::{self, Allows};

use crate::support::{Browser, Person, TestApp, at_once};

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app
}

async fn ticket(app: &TestApp, person: &Person, allows: Allows) -> String {
    let mut env = app.app.env();
    let mut tx = app.app.db().write().await.unwrap();
    let id = enrollment_ticket::create(&mut tx, &mut env, &person.id, allows).await.unwrap();
    tx.commit().await.unwrap();
    enrollment_ticket::url(&env, &id)
}

#[tokio::test]
async fn a_mail_scanners_look_does_not_burn_a_ticket_and_a_person_uses_it_once() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let url = ticket(&app, &cy, Allows::default()).await;
    for _ in 0..2 {
        let page = app.get(url.strip_prefix("https://lockstep.test").unwrap()).await;
        assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, None));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    }
    let mut browser = app.browser();
    browser.goto(&url).await;
    assert_eq!(browser.screen(), "mfa-enroll-welcome");
    browser.submit(&[]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    let phone = AuthenticatorApp::scan(&browser.attribute("a[href^='otpauth:']", "href").unwrap()).unwrap();
    browser.code(&phone.code_at(app.now())).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-enrollment");
    browser.save_recovery_code().await;
    assert_eq!((browser.screen().as_str(), browser.page.status.as_u16()), ("mfa-enroll-result", 200));
    assert!(browser.cookie("__Host-auth0").is_none(), "no session comes of a ticket");
    browser.goto(&url).await;
    assert!(browser.page.status.is_client_error());
    app.clock.advance(Span::seconds(30));
    browser.authorize(&[]).await.password(&cy).await.code(&phone.code_at(app.now())).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_ticket_for_somebody_enrolled_is_refused_unless_it_allows_more() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.goto(&ticket(&app, &ana, Allows::default()).await).await;
    assert_eq!((browser.screen().as_str(), browser.page.status.as_u16()), ("mfa-enroll-result", 409));
    browser.goto(&ticket(&app, &ana, Allows { allow_multiple: true, ..Allows::default() }).await).await;
    assert_eq!(browser.screen(), "mfa-enroll-welcome");
}

#[tokio::test]
async fn tickets_end_after_five_days_and_with_their_user() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let url = ticket(&app, &cy, Allows::default()).await;
    app.clock.advance(Span::days(5));
    let mut browser = app.browser();
    browser.goto(&url).await;
    assert_eq!(browser.page.status, 410);
    let late = ticket(&app, &cy, Allows::default()).await;
    let mut tx = app.app.db().write().await.unwrap();
    lockstep_engine::store::users::delete(&mut tx, &cy.id).await.unwrap();
    tx.commit().await.unwrap();
    browser.goto(&late).await;
    assert_eq!(browser.page.status, 400);
    browser.goto("/guardian/enroll?ticket=gten_000000000000000000000000").await;
    assert_eq!(browser.page.status, 400);
}

/// Presses the button of a ticket's page, and scans what is shown.
async fn begin<'a>(app: &'a TestApp, url: &str) -> (Browser<'a>, AuthenticatorApp) {
    let mut browser = app.browser();
    browser.goto(url).await.submit(&[]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "{}", browser.page.body);
    let phone = AuthenticatorApp::scan(&browser.attribute("a[href^='otpauth:']", "href").unwrap()).unwrap();
    (browser, phone)
}

#[tokio::test]
async fn of_ten_browsers_with_one_ticket_one_enrols() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let url = ticket(&app, &cy, Allows { allow_multiple: true, ..Allows::default() }).await;
    let mut begun = Vec::new();
    for _ in 0..10 {
        begun.push(begin(&app, &url).await);
    }
    let codes: Vec<String> = begun.iter().map(|(_, phone)| phone.code_at(app.now())).collect();
    let answered = at_once(begun.iter_mut().zip(&codes).map(|((browser, _), code)| browser.code(code))).await;
    assert!(answered.iter().all(|browser| browser.page.status.as_u16() < 500));
    let enrolled = answered.iter().filter(|b| b.screen() == "mfa-recovery-code-enrollment").count();
    assert_eq!(enrolled, 1);
    let admin = crate::management::admin(&app).await;
    let held = admin.expect(200, "GET", "/users/auth0%7Ccy/authentication-methods", None).await;
    assert_eq!(held.as_array().unwrap().iter().filter(|m| m["type"] == "totp").count(), 1, "{held}");
    let logs = admin.expect(200, "GET", "/logs?q=type:gd_enrollment_complete", None).await;
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("added"));
}

#[tokio::test]
async fn a_ticket_for_one_factor_enrols_no_other() {
    let app = app().await;
    app.mfa(&["otp", "sms", "recovery-code"], &["all-applications"]).await;
    app.message_types(&["sms"]).await;
    let cy = app.user("cy@example.com").await;
    let url = ticket(&app, &cy, Allows { factor: Some("otp".to_owned()), ..Allows::default() }).await;
    let (mut browser, _) = begin(&app, &url).await;
    for fields in [
        &[("action", "sms::1")][..],
        &[("action", "phone::0")],
        &[("action", "pick-authenticator")],
        &[("phone", "+12025550143"), ("action", "default")],
        &[("type", "sms"), ("action", "sms")],
    ] {
        browser.submit(fields).await;
        assert!(browser.page.status.as_u16() < 500, "{fields:?}: {}", browser.page.body);
        assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "{fields:?}");
    }
    assert_eq!(app.outbox().await.len(), 0);
}

#[tokio::test]
async fn a_ticket_that_was_begun_is_not_finished_by_somebody_who_has_enrolled_since() {
    let app = app().await;
    let cy = app.user("cy@example.com").await;
    let url = ticket(&app, &cy, Allows::default()).await;
    let (mut thiefs, his) = begin(&app, &url).await;
    let mut hers = app.browser();
    hers.authorize(&[]).await.password(&cy).await;
    let phone = AuthenticatorApp::scan(&hers.attribute("a[href^='otpauth:']", "href").unwrap()).unwrap();
    hers.code(&phone.code_at(app.now())).await.save_recovery_code().await;
    hers.back_with_code();
    thiefs.code(&his.code_at(app.now())).await;
    assert_eq!((thiefs.screen().as_str(), thiefs.page.status.as_u16()), ("mfa-enroll-result", 409));
    app.clock.advance(Span::seconds(30));
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await.code(&his.code_at(app.now())).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
}
