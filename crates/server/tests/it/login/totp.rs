//! Codes of an authenticator app, at the pages.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::{Span, Timestamp};
use serde_json::json;

use crate::management::admin;
use crate::support::{Browser, Person, TestApp};

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app
}

/// Logs in up to the code and answers it.
async fn answer(app: &TestApp, person: &Person, code: &str) -> bool {
    let mut browser: Browser<'_> = app.browser();
    browser.authorize(&[]).await.password(person).await.code(code).await;
    if browser.url.starts_with("https://app.example") {
        browser.back_with_code();
        return true;
    }
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    assert!(browser.page.status.is_client_error());
    false
}

#[tokio::test]
async fn a_server_clock_that_jumps_back_reopens_no_code() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    app.clock.set(Timestamp::from_secs(1_234_567_920));
    assert!(answer(&app, &ana, "590587").await);
    app.clock.set(Timestamp::from_secs(1_234_567_890));
    assert!(!answer(&app, &ana, "005924").await);
    assert!(!answer(&app, &ana, "590587").await);
    app.clock.set(Timestamp::from_secs(1_234_567_950));
    assert!(answer(&app, &ana, "240500").await);
}

#[tokio::test]
async fn leading_zeros_are_part_of_the_code() {
    let app = app().await;
    for (at, right, short) in [(1_234_567_890, "005924", "5924"), (1_111_111_109, "081804", "81804")] {
        let name = format!("u{at}@example.com");
        let ana = app.user_with_totp(&name).await;
        app.clock.set(Timestamp::from_secs(at));
        assert!(!answer(&app, &ana, short).await);
        assert!(answer(&app, &ana, right).await);
    }
    let mut browser = app.browser();
    let eve = app.user_with_totp("eve@example.com").await;
    browser.authorize(&[]).await.password(&eve).await;
    assert_eq!(browser.attribute("input#code", "type").as_deref(), Some("text"));
    assert_eq!(browser.attribute("input#code", "inputmode").as_deref(), Some("numeric"));
    assert_eq!(browser.attribute("input#code", "autocomplete").as_deref(), Some("one-time-code"));
}

#[tokio::test]
async fn digits_of_other_scripts_are_refused_and_blanks_are_ignored() {
    let app = app().await;
    app.clock.set(Timestamp::from_secs(1_234_567_890));
    let ana = app.user_with_totp("ana@example.com").await;
    for odd in ["００５９２４", "٠٠٥٩٢٤", "۰۰۵۹۲۴", "00592④", "005924\u{200f}", "\u{200e}005924"]
    {
        assert!(!answer(&app, &ana, odd).await, "{odd}");
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.submit_encoded("code=%FF%FE%30%30%35%39&action=default").await;
    assert!(browser.page.status.is_client_error() && !browser.url.starts_with("https://app.example"));
    assert!(answer(&app, &ana, " 005-924 ").await);
}

#[tokio::test]
async fn a_short_seed_may_be_imported_and_its_code_works() {
    let app = app().await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let short = "JBSWY3DPEHPK3PXP";
    let body = json!({"type": "totp", "totp_secret": short});
    admin.expect(201, "POST", "/users/auth0%7Cana/authentication-methods", Some(body)).await;
    let phone = AuthenticatorApp::scan(short).unwrap();
    assert!(answer(&app, &ana, &phone.code_at(app.now())).await);
}

#[tokio::test]
async fn generated_seeds_are_long_differ_and_are_the_same_in_picture_link_and_text() {
    let app = app().await;
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..40 {
        let cy = app.user(&format!("cy{n}@example.com")).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&cy).await;
        let link = browser.attribute("a[href^='otpauth:']", "href").unwrap();
        let in_link = AuthenticatorApp::scan(&link).unwrap().secret();
        browser.submit(&[("action", "show-code")]).await;
        let in_text: String = browser.text("#secret").unwrap().split_whitespace().collect();
        assert_eq!(in_link, in_text);
        let bytes = data_encoding::BASE32_NOPAD.decode(in_text.as_bytes()).unwrap();
        assert!(bytes.len() >= 20);
        assert!(seen.insert(in_text));
    }
}

#[tokio::test]
async fn the_eleventh_wrong_code_is_refused_across_logins_and_even_a_right_one_is_not_looked_at() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    for _ in 0..10 {
        assert!(!answer(&app, &ana, "000000").await);
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await.code(&app.code(&ana)).await;
    assert_eq!(browser.error_shown().as_deref(), Some("too-many-failures"));
    assert!(answer(&app, &ben, &app.code(&ben)).await, "somebody else is not locked out");
    app.clock.advance(Span::minutes(7));
    assert!(answer(&app, &ana, &app.code(&ana)).await);
}
