//! Codes that are sent: text messages, calls and mail in a login.

use lockstep_core::ids::AuthenticatorId;
use lockstep_core::model::message::{Channel, MessageKind};
use lockstep_core::model::settings::Profile;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::support::{Person, TestApp};

const DEE: &str = "+12025550143";

async fn app(factors: &[&str], types: &[&str]) -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(factors, &["all-applications"]).await;
    app.message_types(types).await;
    app
}

/// Stores a telephone as an administrator would.
async fn with_phone(app: &TestApp, person: &Person, number: &str, preferred: Option<&str>) {
    let data = json!({"phone_number": number, "preferred_authentication_method": preferred});
    store(app, person, "phone", data).await;
}

async fn store(app: &TestApp, person: &Person, kind: &str, data: Value) {
    let mut env = app.app.env();
    let method = lockstep_engine::store::methods::Method {
        id: AuthenticatorId::new(env.rng()),
        user: person.id.clone(),
        kind: kind.to_owned(),
        confirmed: true,
        name: None,
        data,
        link_id: None,
        created_at: env.now,
        enrolled_at: Some(env.now),
        last_auth_at: None,
    };
    let mut tx = app.app.db().write().await.unwrap();
    lockstep_engine::store::methods::create(&mut tx, &method).await.unwrap();
    tx.commit().await.unwrap();
}

async fn verify(app: &TestApp, person: &Person, verified: bool) {
    let mut tx = app.app.db().write().await.unwrap();
    let mut user = lockstep_engine::store::users::find(&mut tx, &person.id).await.unwrap().unwrap();
    user.email_verified = verified;
    lockstep_engine::store::users::save(&mut tx, &user).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_new_user_adds_her_phone_and_is_told_by_mail() {
    let app = app(&["sms"], &["sms"]).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(browser.screen(), "mfa-sms-enrollment");
    for (typed, error) in [("", "no-phone"), ("5550143", "invalid-phone-format"), ("+1 202", "invalid-phone")]
    {
        browser.submit(&[("phone", typed)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some(error), "{typed}");
    }
    assert_eq!(browser.attribute("#phone", "value").as_deref(), Some("+1 202"), "what was typed stays");
    browser.submit(&[("phone", "+1 (202) 555-0143")]).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");
    assert!(browser.page.body.contains("XXXXXXXX0143") && !browser.page.body.contains("2025550143"));
    let message = app.message(MessageKind::CodeSms).await;
    assert_eq!(message.recipient, DEE);
    let code = message.code.unwrap();
    assert_eq!(message.text.lines().last(), Some(format!("@lockstep.test #{code}").as_str()));
    browser.code(&code).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "sms"]));
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert_eq!(notice.recipient, "cy@example.com");
    assert!(notice.text.contains("phone XXXXXXXX0143"), "{}", notice.text);
}

#[tokio::test]
async fn the_next_login_asks_for_the_code_of_a_text_message() {
    let app = app(&["sms"], &["sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee, DEE, None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");
    for (name, value) in [("autocomplete", "one-time-code"), ("inputmode", "numeric"), ("type", "text")] {
        assert_eq!(browser.attribute("input[name=code]", name).as_deref(), Some(value));
    }
    let first = app.sent_code().await;
    // Looking again sends nothing; asking at once neither.
    let url = browser.url.clone();
    browser.goto(&url).await;
    browser.submit(&[("action", "resend-code")]).await;
    assert_eq!(app.codes_sent().await, 1);
    app.clock.advance(Span::seconds(30));
    browser.submit(&[("action", "resend-code")]).await;
    assert_eq!(app.codes_sent().await, 2);
    browser.code(&first).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"), "only the newest code counts");
    let code = app.sent_code().await;
    browser.code(&code).await;
    browser.back_with_code();
    // The same code on another login: it was for that one alone.
    let mut other = app.browser();
    other.authorize(&[]).await.password(&dee).await.code(&code).await;
    assert_eq!(other.error_shown().as_deref(), Some("invalid-code"));
}

#[tokio::test]
async fn a_code_lives_five_minutes_and_five_guesses() {
    let app = app(&["sms"], &["sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee, DEE, None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    let code = app.sent_code().await;
    app.clock.advance(Span::millis(300_001));
    browser.code(&code).await;
    assert_eq!(browser.error_shown().as_deref(), Some("no-transaction-in-progress"));
    browser.submit(&[("action", "resend-code")]).await;
    let code = app.sent_code().await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        browser.code(wrong).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
    }
    browser.code(&code).await;
    assert_eq!(browser.error_shown().as_deref(), Some("no-transaction-in-progress"));
}

#[tokio::test]
async fn a_call_can_be_asked_for_and_speaks_the_digits() {
    let app = app(&["sms"], &["sms", "voice"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee, DEE, None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    assert_eq!((browser.screen().as_str(), app.codes_sent().await), ("mfa-phone-challenge", 0));
    browser.submit(&[("type", "sms")]).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");
    browser.submit(&[("action", "use-voice")]).await;
    assert_eq!(browser.screen(), "mfa-voice-challenge");
    let call = app.message(MessageKind::CodeVoice).await;
    let code = call.code.unwrap();
    let spoken = code.chars().map(String::from).collect::<Vec<_>>().join(", ");
    assert_eq!(call.text.matches(&spoken).count(), 2, "{}", call.text);
    browser.code(&code).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "tel"]));
}

#[tokio::test]
async fn of_two_numbers_one_is_picked_and_gets_the_code() {
    let app = app(&["sms"], &["sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee, DEE, None).await;
    app.clock.advance(Span::seconds(1));
    with_phone(&app, &dee, "+4915123456789", None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    let first = app.message(MessageKind::CodeSms).await.recipient;
    browser.submit(&[("action", "pick-phone")]).await;
    assert_eq!(browser.screen(), "mfa-sms-list");
    app.clock.advance(Span::seconds(1));
    let row = usize::from(first == DEE);
    browser.submit(&[("action", &format!("sms::{row}"))]).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");
    let message = app.message(MessageKind::CodeSms).await;
    assert_ne!(message.recipient, first);
    browser.code(&message.code.unwrap()).await;
    browser.back_with_code();
}

#[tokio::test]
async fn mail_is_never_first_and_never_alone() {
    let app = app(&["otp", "email"], &[]).await;
    let gus = app.user("gus@example.com").await;
    verify(&app, &gus, true).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&gus).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "mail alone is no enrolment");

    let ana = app.user_with_totp("ana@example.com").await;
    verify(&app, &ana, false).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    assert!(!browser.page.body.contains("pick-authenticator"), "her address is not verified");
    verify(&app, &ana, true).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!((browser.screen().as_str(), app.codes_sent().await), ("mfa-otp-challenge", 0));
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "email::0")]).await;
    assert_eq!(browser.screen(), "mfa-email-challenge");
    let mail = app.message(MessageKind::CodeEmail).await;
    assert_eq!(mail.recipient, "ana@example.com");
    let code = mail.code.unwrap();
    assert!(mail.text.contains(&code) && mail.html.unwrap().contains(&code));
    browser.code(&code).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "email"]));
}

#[tokio::test]
async fn what_costs_money_is_refused_before_anybody_is_asked() {
    let app = TestApp::with(|config| config.phone_countries = vec!["1".into(), "49".into()]).await;
    let app = app.with_apps().await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    browser.submit(&[("action", "sms::1")]).await;
    assert_eq!(browser.screen(), "mfa-sms-enrollment");
    for number in ["+979123456789", "+447700900123", "+19005550143"] {
        browser.submit(&[("phone", number)]).await;
        assert_eq!(browser.screen(), "mfa-sms-enrollment", "{number}");
        let error = browser.error_shown();
        assert!(matches!(error.as_deref(), Some("send-sms-failed" | "invalid-phone")), "{number} {error:?}");
    }
    assert_eq!(app.outbox().await.len(), 0);
    browser.submit(&[("phone", "+49 1512 3456789")]).await;
    assert_eq!(browser.screen(), "mfa-sms-challenge");

    // One that was imported: the login goes on by another method.
    let dee = app.user_with_totp("dee@example.com").await;
    with_phone(&app, &dee, "+447700900123", None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "sms::0")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("send-sms-failed"));
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "otp::0")]).await;
    let code = app.code(&dee);
    browser.code(&code).await;
    browser.back_with_code();
}

#[tokio::test]
async fn one_number_gets_ten_messages_an_hour_whoever_asks() {
    let app = app(&["sms", "otp"], &["sms", "voice"]).await;
    let mut refused = 0;
    for n in 0..13 {
        let person = app.user(&format!("u{n}@example.com")).await;
        let preferred = if n % 2 == 0 { "sms" } else { "voice" };
        with_phone(&app, &person, DEE, Some(preferred)).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&person).await;
        let error = browser.error_shown();
        refused += usize::from(matches!(error.as_deref(), Some("too-many-sms" | "too-many-voice")));
    }
    assert_eq!((app.codes_sent().await, refused), (10, 3));
    app.clock.advance(Span::minutes(6));
    let person = app.user("later@example.com").await;
    with_phone(&app, &person, DEE, Some(Channel::Sms.as_str())).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&person).await;
    assert_eq!((browser.error_shown(), app.codes_sent().await), (None, 11));
}

#[tokio::test]
async fn the_message_speaks_the_language_of_the_page() {
    let app = app(&["sms"], &["sms"]).await;
    let mut tx = app.app.db().write().await.unwrap();
    let mut tenant = lockstep_engine::store::settings::tenant(&mut tx).await.unwrap();
    tenant.0.set("enabled_locales", json!(["en", "de"]));
    lockstep_engine::store::settings::save_tenant(&mut tx, &tenant, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee, DEE, None).await;
    let mut browser = app.browser();
    browser.authorize(&[("ui_locales", "de")]).await.password(&dee).await;
    let message = app.message(MessageKind::CodeSms).await;
    assert!(message.text.contains("ist Ihr Code für") && message.language == "de", "{}", message.text);
}

#[tokio::test]
async fn in_the_assured_profile_mail_is_no_factor_and_a_code_of_the_app_has_no_window() {
    let app = TestApp::with(|config| config.profile = Profile::Assured).await.with_apps().await;
    app.mfa(&["otp", "email", "recovery-code"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    assert!(!browser.page.body.contains("pick-authenticator"), "her verified address is no way in");
    let before = ana.phone.as_ref().unwrap().code_at(app.now() - Span::seconds(30));
    browser.code(&before).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"), "the step before does not count");
    let code = app.code(&ana);
    browser.code(&code).await;
    browser.back_with_code();
}
