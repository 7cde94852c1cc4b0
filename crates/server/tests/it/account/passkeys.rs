//! Passkeys and security keys on the account page.

use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::model::message::MessageKind;
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::{at_home, factors, press, tenant};
use crate::management::logged;
use crate::support::{Browser, TestApp};

const ORIGIN: &str = "https://lockstep.test";

/// A tenant whose people may have passkeys, and are offered none after a login.
async fn with_passkeys() -> TestApp {
    let app = tenant(&[]).await;
    app.passkeys(json!({"progressive_enrollment_enabled": false})).await;
    app
}

fn row(browser: &Browser<'_>) -> String {
    browser.text("[data-method=passkey]").unwrap_or_default()
}

fn id(browser: &Browser<'_>) -> String {
    browser.attribute("[data-method=passkey]", "data-id").expect("a passkey")
}

async fn log_in_by(browser: &mut Browser<'_>, key: &mut VirtualKey) {
    let asked = browser.attribute("[data-key=login]", "data-options").expect("a login page");
    let said = key.get(&serde_json::from_str(&asked).unwrap(), ORIGIN).unwrap().to_string();
    browser.submit(&[("action", "passkey"), ("response", &said)]).await;
}

#[tokio::test]
async fn a_passkey_is_added_named_used_and_removed_and_each_change_is_told() {
    let app = with_passkeys().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    assert_eq!(browser.attribute("#passkeys", "id").as_deref(), Some("passkeys"), "{}", browser.page.body);
    browser.goto("/account/add-passkey").await;
    assert_eq!(browser.screen(), "account-passkey");
    assert_eq!(browser.attribute(".more a", "href").as_deref(), Some("/account"), "one can give up");
    let mut key = VirtualKey::new(Model::SYNCED);
    browser.make_key(&mut key).await;
    assert_eq!(browser.screen(), "account", "{}", browser.page.body);
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("passkey"));
    assert!(
        row(&browser).starts_with("Passkey Synced between your devices Added today"),
        "{}",
        row(&browser)
    );
    let told = logged(&app, "gd_enrollment_complete").await;
    assert_eq!((told.len(), &told[0]["details"]["authenticator"]["type"]), (1, &json!("passkey")));
    let own = id(&browser);
    press(&mut browser, "/account/rename", &[("id", &own), ("name", "My <i>laptop")]).await;
    assert!(row(&browser).starts_with("My <i>laptop Passkey"), "{}", row(&browser));
    // It logs in, and the page says so.
    let mut other = app.browser();
    other.goto("/account").await;
    log_in_by(&mut other, &mut key).await;
    assert_eq!(other.screen(), "account");
    assert!(row(&other).contains("Last used today"), "{}", row(&other));
    browser.goto(&format!("/account/remove?id={own}")).await;
    assert_eq!(browser.screen(), "account-remove");
    assert!(browser.page.body.contains("My &lt;i&gt;laptop"));
    press(&mut browser, "/account/remove", &[("id", &own)]).await;
    assert_eq!((browser.screen().as_str(), row(&browser).as_str()), ("account", ""));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("removed"));
    let accepted: Value =
        serde_json::from_str(&browser.attribute("[data-key=accepted]", "data-options").unwrap()).unwrap();
    assert_eq!(accepted["allAcceptedCredentialIds"], json!([]), "her browser is to forget it");
    let mut third = app.browser();
    third.goto("/account").await;
    log_in_by(&mut third, &mut key).await;
    assert_eq!(third.error_shown().as_deref(), Some("no-passkey"));
}

#[tokio::test]
async fn whoever_has_a_factor_adds_a_passkey_after_a_fresh_second_step_only() {
    let app = with_passkeys().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.goto("/account/add-passkey").await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "a session by the password alone adds nothing");
    let code = app.code(&ana);
    browser.code(&code).await;
    assert_eq!(browser.screen(), "account-passkey", "{}", browser.page.body);
    browser.make_key(&mut VirtualKey::new(Model::DEVICE)).await;
    assert_eq!(browser.screen(), "account");
    assert!(row(&browser).contains("On one device only"), "{}", row(&browser));
    app.clock.advance(Span::minutes(16));
    browser.goto("/account/add-passkey").await;
    assert_eq!(browser.screen(), "login", "the proof has become old");
    browser.password(&ana).await;
    let code = app.code(&ana);
    browser.code(&code).await;
    assert_eq!(browser.screen(), "account-passkey");
    app.clock.advance(Span::minutes(16));
    let own = {
        browser.goto("/account").await;
        id(&browser)
    };
    for path in ["/account/remove", "/account/rename"] {
        browser.goto("/account").await;
        press(&mut browser, path, &[("id", &own), ("name", "x")]).await;
        assert_eq!(browser.screen(), "login", "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_hold_adds_nothing_and_is_told_in_words() {
    let app = with_passkeys().await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let mut hers = app.with_passkey(&ana, Model::SYNCED).await;
    let mut his = VirtualKey::new(Model::DEVICE);
    let mut browser = at_home(&app, &ana).await;
    browser.goto("/account/add-passkey").await;
    let asked = browser.key_options();
    assert_eq!(
        asked["excludeCredentials"].as_array().unwrap().len(),
        1,
        "the same device is not asked twice"
    );
    // The challenge of the page is over with its answer.
    let mut unasked = asked.clone();
    unasked.as_object_mut().unwrap().remove("excludeCredentials");
    unasked["challenge"] = json!("b3RoZXI");
    let made = his.create(&unasked, ORIGIN, &mut SystemRng).unwrap().to_string();
    browser.submit(&[("response", &made)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    assert_ne!(browser.key_options()["challenge"], asked["challenge"]);
    for (failure, told) in [
        ("InvalidStateError", "passkey-already-there"),
        ("NotAllowedError", "passkey-authentication-failed"),
        ("SecurityError", "passkey-not-added"),
    ] {
        browser.submit(&[("failure", failure)]).await;
        assert_eq!((browser.page.status.as_u16(), browser.error_shown().as_deref()), (400, Some(told)));
    }
    assert_eq!(logged(&app, "passkey_challenge_failed").await.len(), 3);
    // One key is one person's: what she made once is not made again, whatever the browser lets through.
    let listed: Value = serde_json::from_str(&{
        browser.goto("/account").await;
        browser.attribute("[data-key=accepted]", "data-options").unwrap()
    })
    .unwrap();
    browser.goto("/account/add-passkey").await;
    let mut again = browser.key_options();
    again.as_object_mut().unwrap().remove("excludeCredentials");
    let made = hers.create(&again, ORIGIN, &mut SystemRng).unwrap();
    let mut same = made.clone();
    same["id"] = listed["allAcceptedCredentialIds"][0].clone();
    browser.submit(&[("response", &same.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    // A page that stands open asks anew in time; what it asked before is over.
    browser.goto("/account/add-passkey").await;
    let old = browser.key_options();
    app.clock.advance(Span::minutes(4));
    let url = browser.url.clone();
    browser.goto(&url).await;
    assert_ne!(browser.key_options()["challenge"], old["challenge"]);
    let late = browser.key_options();
    app.clock.advance(Span::minutes(5));
    let made = VirtualKey::new(Model::SYNCED).create(&late, ORIGIN, &mut SystemRng).unwrap().to_string();
    browser.submit(&[("response", &made)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-authentication-failed"));
    // Another person's browser ends nothing of hers, and a login's page is none of this.
    app.with_passkey(&ben, Model::DEVICE).await;
    let mut stranger = at_home(&app, &ben).await;
    stranger.goto(&url).await;
    assert_eq!(stranger.screen(), "account");
    browser.goto("/account").await;
    assert_eq!(browser.page.body.matches("data-method=\"passkey\"").count(), 1);
    let own = id(&browser);
    press(&mut stranger, "/account/remove", &[("id", &own)]).await;
    press(&mut stranger, "/account/rename", &[("id", &own), ("name", "his")]).await;
    browser.goto("/account").await;
    assert!(row(&browser).starts_with("Passkey "), "{}", row(&browser));
}

#[tokio::test]
async fn the_last_way_to_begin_a_login_stays() {
    let app = with_passkeys().await;
    let ana = app.user_without_password("ana@example.com").await;
    let mut key = app.with_passkey(&ana, Model::SYNCED).await;
    let mut browser = app.browser();
    browser.goto("/account").await;
    log_in_by(&mut browser, &mut key).await;
    assert_eq!(browser.screen(), "account");
    assert_eq!(browser.attribute("a[href^='/account/remove']", "href"), None);
    let own = id(&browser);
    press(&mut browser, "/account/remove", &[("id", &own)]).await;
    assert_eq!(browser.page.status, 400);
    assert!(browser.text(".alert").unwrap().contains("only way to log in"));
    browser.goto("/account/add-passkey").await;
    browser.make_key(&mut VirtualKey::new(Model::DEVICE)).await;
    press(&mut browser, "/account/remove", &[("id", &own)]).await;
    assert_eq!(browser.page.body.matches("data-method=\"passkey\"").count(), 1);
    assert_ne!(id(&browser), own);
}

#[tokio::test]
async fn nobody_adds_a_passkey_where_there_are_none_or_more_than_twenty() {
    let app = tenant(&[]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    assert_eq!(browser.attribute("#passkeys", "id"), None, "passkeys are off at first");
    browser.goto("/account/add-passkey").await;
    assert_eq!(browser.screen(), "account");
    app.passkeys(json!({"progressive_enrollment_enabled": false})).await;
    for _ in 0..19 {
        app.with_passkey(&ana, Model::SYNCED).await;
    }
    browser.goto("/account/add-passkey").await;
    assert_eq!(browser.screen(), "account-passkey");
    // The twentieth came while the page stood open.
    app.with_passkey(&ana, Model::SYNCED).await;
    browser.make_key(&mut VirtualKey::new(Model::DEVICE)).await;
    assert_eq!(browser.screen(), "account");
    assert_eq!(browser.page.body.matches("data-method=\"passkey\"").count(), 20);
    assert_eq!(browser.attribute("a[href='/account/add-passkey']", "href"), None);
}

#[tokio::test]
async fn a_security_key_is_added_named_and_shown_with_where_it_is_kept() {
    let app = tenant(&[]).await;
    app.mfa(&["webauthn-roaming"], &[]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    browser.goto("/account/add").await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment");
    browser.make_key(&mut VirtualKey::new(Model::SECURITY_KEY)).await;
    assert_eq!(browser.screen(), "mfa-webauthn-change-key-nickname", "{}", browser.page.body);
    browser.submit(&[("nickname", "Blue key")]).await;
    assert_eq!((browser.screen().as_str(), factors(&browser)), ("account", 1));
    let text = browser.text("[data-method=webauthn-roaming]").unwrap();
    assert!(text.starts_with("Blue key Security key On one device only"), "{text}");
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("added"));
}
