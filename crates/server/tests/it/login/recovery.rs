//! Recovery codes at the pages.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use serde_json::json;

use crate::management::{admin, token};
use crate::support::{Browser, Person, TestApp};

/// A tenant with policy Always, a user who has just enrolled, her app, and her recovery code.
async fn enrolled() -> (TestApp, Person, AuthenticatorApp, String) {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let uri = browser.attribute("a[href^='otpauth:']", "href").unwrap();
    let phone = AuthenticatorApp::scan(&uri).unwrap();
    browser.code(&phone.code_at(app.now())).await;
    let code = browser.save_recovery_code().await;
    browser.back_with_code();
    app.clock.advance(Span::minutes(1));
    drop(browser);
    (app, ana, phone, code)
}

pub(super) async fn to_recovery(browser: &mut Browser<'_>, person: &Person) {
    browser.authorize(&[]).await.password(person).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "recovery is never asked first");
    browser.submit(&[("action", "pick-authenticator")]).await;
    assert_eq!(browser.screen(), "mfa-login-options");
    browser.submit(&[("action", "recovery-code::0")]).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge");
    assert!(browser.attribute("input[name=rememberBrowser]", "name").is_none());
}

#[tokio::test]
async fn a_recovery_code_logs_in_once_and_its_replacement_the_next_time() {
    let (app, ana, _, code) = enrolled().await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    browser.code(&code).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
    let fresh = browser.save_recovery_code().await;
    assert_ne!(fresh, code);
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa"]));
    let mut again = app.browser();
    to_recovery(&mut again, &ana).await;
    again.code(&code).await;
    assert_eq!(again.error_shown().as_deref(), Some("invalid-code"));
    again.code(&fresh).await;
    assert_eq!(again.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn the_old_code_is_dead_even_if_the_person_leaves_before_saving_the_new_one() {
    let (app, ana, phone, code) = enrolled().await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    browser.code(&code).await;
    let mut again = app.browser();
    to_recovery(&mut again, &ana).await;
    again.code(&code).await;
    assert_eq!(again.error_shown().as_deref(), Some("invalid-code"));
    // Back, and the app still works.
    again.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "otp::0")]).await;
    again.code(&phone.code_at(app.now())).await;
    again.back_with_code();
}

#[tokio::test]
async fn dashes_blanks_and_small_letters_are_the_same_code() {
    let (app, ana, _, code) = enrolled().await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    let spelled: Vec<String> =
        code.to_lowercase().as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    browser.code(&format!(" {} ", spelled.join("-"))).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn wrong_codes_are_answered_alike_and_odd_ones_spend_nothing() {
    let (app, ana, _, code) = enrolled().await;
    let mut nearly = code.clone().into_bytes();
    nearly[7] = if nearly[7] == b'A' { b'B' } else { b'A' };
    let nearly = String::from_utf8(nearly).unwrap();
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    for (typed, error) in [
        ("A".repeat(24), "invalid-code"),
        (nearly, "invalid-code"),
        (code[..23].to_owned(), "invalid-code-format"),
        (format!("{code}A"), "invalid-code-format"),
        ("A".repeat(4096), "invalid-code-format"),
        ("ＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡ".to_owned(), "invalid-code-format"),
    ] {
        browser.code(&typed).await;
        assert_eq!(browser.error_shown().as_deref(), Some(error), "{typed}");
        assert_eq!(browser.page.status, 400);
    }
    browser.code(&code).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn the_order_of_enrolment_does_not_make_recovery_the_first_question() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let methods = "/users/auth0%7Cana/authentication-methods";
    let regenerate = "/users/auth0%7Cana/recovery-code-regeneration";
    admin.expect(200, "POST", regenerate, None).await;
    let totp = json!({"type": "totp", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
    admin.expect(201, "POST", methods, Some(totp.clone())).await;
    to_recovery(&mut app.browser(), &ana).await;
    // The newest is a recovery code, then the newest is an app again.
    admin.expect(200, "POST", regenerate, None).await;
    to_recovery(&mut app.browser(), &ana).await;
    admin.expect(204, "DELETE", methods, None).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "without another factor a recovery code is none");
    admin.expect(201, "POST", methods, Some(totp)).await;
    let fresh = admin.expect(200, "POST", regenerate, None).await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    browser.code(fresh["recovery_code"].as_str().unwrap()).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn recovery_codes_are_long_and_differ() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user_with_totp("ana@example.com").await;
    let mut codes = Vec::new();
    for _ in 0..100 {
        let answer = admin.expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", None).await;
        codes.push(answer["recovery_code"].as_str().unwrap().to_owned());
    }
    for code in &codes {
        assert!(code.len() == 24 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    }
    for place in 0..24 {
        let first = codes[0].as_bytes()[place];
        assert!(codes.iter().any(|code| code.as_bytes()[place] != first), "place {place} is constant");
    }
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 100);
}

#[tokio::test]
async fn recovery_guesses_have_a_limit_of_their_own_and_the_app_stays_usable() {
    let (app, ana, phone, code) = enrolled().await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    for _ in 0..10 {
        browser.code(&"A".repeat(24)).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
    }
    browser.code(&code).await;
    assert_eq!(browser.error_shown().as_deref(), Some("too-many-failures"));
    browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "otp::0")]).await;
    browser.code(&phone.code_at(app.now())).await;
    browser.back_with_code();
}

#[tokio::test]
async fn looking_at_a_page_never_rotates_a_recovery_code() {
    let (app, ana, _, code) = enrolled().await;
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    let url = browser.url.clone();
    for _ in 0..3 {
        browser.goto(&url).await;
    }
    browser.code(&code).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn an_operators_new_code_replaces_the_old_one_and_asks_for_its_scope() {
    let (app, ana, _, old) = enrolled().await;
    let path = "/api/v2/users/auth0%7Cana/recovery-code-regeneration";
    let weak = token(&app, &["read:users", "read:guardian_enrollments", "read:authentication_methods"]).await;
    assert_eq!(app.json("POST", path, Some(&weak), None).await.status, 403);
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    browser.code(&old).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code", "a refused call changes nothing");
    let own = browser.save_recovery_code().await;
    let strong = token(&app, &["update:users"]).await;
    let made = app.json("POST", path, Some(&strong), None).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let mut browser = app.browser();
    to_recovery(&mut browser, &ana).await;
    browser.code(&own).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
    browser.code(made.json()["recovery_code"].as_str().unwrap()).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
}
