//! Work without a request, over whole logins.

use std::sync::{Arc, Mutex};

use lockstep_core::ids::MessageId;
use lockstep_core::model::message::Message;
use lockstep_core::time::Span;
use lockstep_engine::providers::SendError;
use lockstep_engine::store::outbox::Which;
use lockstep_engine::worker::cleanup;
use lockstep_engine::worker::delivery::{self, Carrier};
use serde_json::json;

use crate::management::admin;
use crate::support::{ACR, Shared, TestApp};

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

/// A carrier that answers as it was told, and remembers what it was given.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<Result<(), SendError>>>,
    given: Mutex<Vec<(MessageId, String)>>,
}

impl Told {
    fn next(&self, answer: Result<(), SendError>) {
        self.answers.lock().unwrap().push(answer);
    }

    fn given(&self) -> usize {
        self.given.lock().unwrap().len()
    }
}

impl Carrier for Told {
    async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        self.given.lock().unwrap().push((id.clone(), message.recipient.clone()));
        self.answers.lock().unwrap().pop().unwrap_or(Ok(()))
    }
}

/// Asks for a ticket by mail.
async fn write_a_mail(app: &TestApp) {
    let body = json!({"user_id": "auth0|ana", "send_mail": true});
    admin(app).await.expect(200, "POST", "/guardian/enrollments/ticket", Some(body)).await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_now_comes_again_later_each_time_and_is_sent_once() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    write_a_mail(&app).await;
    let carrier = Arc::new(Told::default());
    for (wait, tried) in [(0, 1), (29, 0), (1, 1), (119, 0), (1, 1), (599, 0), (1, 1)] {
        app.clock.advance(Span::seconds(wait));
        carrier.next(Err(SendError::ForNow("451 come again".to_owned())));
        assert_eq!(
            delivery::send_due(&app.app, Which::Mail, Arc::clone(&carrier)).await.unwrap(),
            tried,
            "after {wait} s"
        );
        carrier.answers.lock().unwrap().clear();
    }
    app.clock.advance(Span::hours(1));
    assert_eq!(delivery::send_due(&app.app, Which::Mail, Arc::clone(&carrier)).await.unwrap(), 1);
    app.clock.advance(Span::hours(1));
    assert_eq!(delivery::send_due(&app.app, Which::Mail, Arc::clone(&carrier)).await.unwrap(), 0);
    let given = carrier.given.lock().unwrap().clone();
    assert!(given.len() == 5 && given.iter().all(|mail| *mail == given[0]), "{given:?}");
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_in_the_log_and_not_tried_again() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    write_a_mail(&app).await;
    let carrier = Arc::new(Told::default());
    carrier.next(Err(SendError::ForGood("550 no such mailbox".to_owned())));
    assert_eq!(delivery::send_due(&app.app, Which::Mail, Arc::clone(&carrier)).await.unwrap(), 1);
    app.clock.advance(Span::hours(10));
    assert_eq!(delivery::send_due(&app.app, Which::Mail, Arc::clone(&carrier)).await.unwrap(), 0);
    let logs = admin.expect(200, "GET", "/logs?q=type:fn", None).await;
    assert_eq!(logs[0]["description"], "To: ana@example.com");
    assert_eq!(
        logs[0]["details"],
        json!({"email_type": "enrollment_email", "notification_type": "enrollment_email", "to": "ana@example.com",
               "error": "550 no such mailbox"})
    );
}

#[tokio::test]
async fn without_a_provider_mail_waits_and_with_one_that_is_not_built_the_log_says_so() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    write_a_mail(&app).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0);
    let action = json!({"name": "custom", "enabled": false, "credentials": {}});
    admin.expect(201, "POST", "/emails/provider", Some(action)).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "switched off");
    admin.expect(200, "PATCH", "/emails/provider", Some(json!({"enabled": true}))).await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 1);
    let logs = admin.expect(200, "GET", "/logs?q=type:fn", None).await;
    assert!(logs[0]["details"]["error"].as_str().unwrap().contains("\"custom\" is not built"), "{logs}");
}

#[tokio::test]
async fn a_code_that_nobody_took_while_it_lived_is_in_the_log_once() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "email"], &["all-applications"]).await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "email::0")]).await;
    let code = app.sent_code().await;
    app.clock.advance(Span::minutes(4));
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "there is no provider");
    cleanup::run(&app.app).await.unwrap();
    assert_eq!(app.codes_sent().await, 1, "it may still get one");
    app.clock.advance(Span::minutes(2));
    for _ in 0..2 {
        cleanup::run(&app.app).await.unwrap();
    }
    assert_eq!(app.codes_sent().await, 0);
    let logs = admin.expect(200, "GET", "/logs?q=type:fn", None).await;
    assert_eq!((logs.as_array().unwrap().len(), &logs[0]["details"]["to"]), (1, &json!("ana@example.com")));
    assert!(logs[0]["details"]["error"].as_str().unwrap().contains("is a provider set up?"), "{logs}");
    assert!(!logs.to_string().contains(&code));
}

#[tokio::test]
async fn two_servers_send_a_mail_once() {
    for shared in Shared::each().await {
        let apps = [shared.server().await.with_apps().await, shared.server().await];
        apps[0].user("ana@example.com").await;
        for _ in 0..10 {
            write_a_mail(&apps[0]).await;
        }
        let carrier = Arc::new(Told::default());
        for _ in 0..3 {
            let (one, two) = tokio::join!(
                delivery::send_due(&apps[0].app, Which::Mail, Arc::clone(&carrier)),
                delivery::send_due(&apps[1].app, Which::Mail, Arc::clone(&carrier)),
            );
            one.unwrap();
            two.unwrap();
        }
        let mut given: Vec<_> = carrier.given.lock().unwrap().iter().map(|(id, _)| id.to_string()).collect();
        given.sort();
        given.dedup();
        assert_eq!((given.len(), carrier.given()), (10, 10));
    }
}
