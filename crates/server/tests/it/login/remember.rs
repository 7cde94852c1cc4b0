//! Remember this browser (contract/step-up-and-claims.md 10).

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use serde_json::json;

use crate::management::admin;
use crate::support::{ACR, Browser, Person, TestApp};

const COOKIE: &str = "__Host-auth0-mf";
const SESSION: &str = "__Host-auth0";

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    app
}

/// Logs in and ticks the box.
async fn remembered<'a>(app: &'a TestApp, person: &Person) -> Browser<'a> {
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(person).await;
    let code = app.code(person);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    assert!(browser.cookie(COOKIE).is_some());
    browser.drop_cookie(SESSION);
    browser
}

#[tokio::test]
async fn a_remembered_browser_is_not_challenged_and_claims_no_mfa() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = remembered(&app, &ana).await;
    app.clock.advance(Span::days(1));
    browser.authorize(&[]).await.password(&ana).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd"]));
    assert!(tokens.id.get("acr").is_none());
    browser.authorize(&[ACR]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "acr_values never takes a remembered browser");
}

#[tokio::test]
async fn it_ends_after_seven_idle_days_and_after_thirty_in_any_case() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = remembered(&app, &ana).await;
    app.clock.advance(Span::days(8));
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    let mut browser = remembered(&app, &ana).await;
    for _ in 0..5 {
        app.clock.advance(Span::days(5));
        browser.drop_cookie(SESSION);
        browser.authorize(&[]).await.password(&ana).await;
        browser.back_with_code();
    }
    app.clock.advance(Span::days(6));
    browser.drop_cookie(SESSION);
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn a_browser_is_remembered_for_its_user_alone_and_for_several() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    let mut browser = remembered(&app, &ana).await;
    browser.authorize(&[]).await.password(&ben).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    let code = app.code(&ben);
    let before = browser.cookie(COOKIE).map(str::to_owned);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    assert_ne!(browser.cookie(COOKIE).map(str::to_owned), before, "the handle changes when it gains weight");
    for person in [&ana, &ben] {
        browser.drop_cookie(SESSION);
        browser.authorize(&[]).await.password(person).await;
        browser.back_with_code();
    }
    let mut thief = app.browser();
    thief.plant_cookie(COOKIE, &before.unwrap());
    thief.authorize(&[]).await.password(&ana).await;
    assert_eq!(thief.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn a_remembered_browser_does_not_outlive_the_factor() {
    let app = app().await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = remembered(&app, &ana).await;
    let methods = "/users/auth0%7Cana/authentication-methods";
    let held = admin.expect(200, "GET", methods, None).await;
    let id = held[0]["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(204, "DELETE", &format!("{methods}/{id}"), None).await;
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    // Scanned, but no code entered: nothing is held, and the next request begins again.
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    let held = admin.expect(200, "GET", methods, None).await;
    assert_eq!(held.as_array().unwrap().iter().filter(|m| m["confirmed"] == true).count(), 0, "{held}");
    let phone = AuthenticatorApp::scan(&browser.attribute("a[href^='otpauth:']", "href").unwrap()).unwrap();
    browser.code(&phone.code_at(app.now())).await;
    browser.back_with_code();
    browser.drop_cookie(SESSION);
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "the old trust does not come back with a new factor");
}

#[tokio::test]
async fn trust_that_was_earned_by_a_text_message_ends_with_the_telephone() {
    let app = app().await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    app.message_types(&["sms"]).await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let methods = "/users/auth0%7Cana/authentication-methods";
    let phone = json!({"type": "phone", "phone_number": "+12025550143"});
    let made = admin.expect(201, "POST", methods, Some(phone)).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    if browser.screen() == "mfa-otp-challenge" {
        browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "sms::0")]).await;
    }
    assert_eq!(browser.screen(), "mfa-sms-challenge");
    let code = app.sent_code().await;
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    browser.drop_cookie(SESSION);
    let id = made["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(204, "DELETE", &format!("{methods}/{id}"), None).await;
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn a_broken_remember_cookie_is_none() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let good = remembered(&app, &ana).await.cookie(COOKIE).unwrap().to_owned();
    let other = if good.ends_with('x') { 'y' } else { 'x' };
    let flipped = format!("{}{other}", &good[..good.len() - 1]);
    for broken in [flipped.as_str(), "", "null", "undefined", &"a".repeat(8192), &good[..4]] {
        let mut browser = app.browser();
        browser.plant_cookie(COOKIE, broken);
        browser.authorize(&[]).await.password(&ana).await;
        assert_eq!(browser.screen(), "mfa-otp-challenge", "{broken}");
    }
}
