//! Security keys and the device's own keys on the pages (contract/universal-login.md 6.7): real ceremonies of virtual keys.

use lockstep_core::factors::webauthn::device::{Model, Signing, VirtualKey};
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use lockstep_engine::flows::enrollment_ticket::{self, Allows};
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{ACR, Browser, Person, TestApp};

const ORIGIN: &str = "https://lockstep.test";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0.0.0 Safari/537.36";

async fn app(factors: &[&str]) -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(factors, &["all-applications"]).await;
    app
}

/// What the page gives to the browser.
fn options(browser: &Browser<'_>) -> Value {
    let text = browser.attribute("[data-key]", "data-options").unwrap_or_else(|| browser.page.body.clone());
    serde_json::from_str(&text).unwrap()
}

/// Has a key made, and posts what the browser would.
async fn create(browser: &mut Browser<'_>, key: &mut VirtualKey) {
    let made = key.create(&options(browser), ORIGIN, &mut SystemRng).unwrap();
    browser.submit(&[("response", &made.to_string())]).await;
}

/// Names a new key in a login, and goes on.
async fn name(browser: &mut Browser<'_>, name: &str) {
    browser.submit(&[("nickname", name)]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-enrollment-success", "{}", browser.page.body);
    browser.submit(&[]).await;
}

async fn methods(app: &TestApp, person: &Person) -> Value {
    let id = person.id.as_str().replace('|', "%7C");
    admin(app).await.expect(200, "GET", &format!("/users/{id}/authentication-methods"), None).await
}

async fn touch(browser: &mut Browser<'_>, key: &mut VirtualKey) {
    let signed = key.get(&options(browser), ORIGIN).unwrap();
    browser.submit(&[("response", &signed.to_string())]).await;
}

/// The address of a ticket for one more key.
async fn ticket(app: &TestApp, person: &Person, factor: &str) -> String {
    let allows = Allows { factor: Some(factor.to_owned()), allow_multiple: true };
    let mut env = app.app.env();
    let mut tx = app.app.db().write().await.unwrap();
    let id = enrollment_ticket::create(&mut tx, &mut env, &person.id, allows).await.unwrap();
    tx.commit().await.unwrap();
    enrollment_ticket::url(&env, &id)
}

/// Enrols a security key at the first login.
async fn with_key(app: &TestApp, email: &str, model: Model) -> (Person, VirtualKey) {
    let person = app.user(email).await;
    let mut key = VirtualKey::new(model);
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&person).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment", "{}", browser.page.body);
    create(&mut browser, &mut key).await;
    name(&mut browser, "Blue key").await;
    browser.back_with_code();
    (person, key)
}

#[tokio::test]
async fn a_key_is_enrolled_named_and_asked_for_at_the_next_login() {
    let app = app(&["webauthn-roaming"]).await;
    let ana = app.user("ana@example.com").await;
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment");
    let asked = options(&browser);
    assert_eq!(asked["rp"], json!({"id": "lockstep.test", "name": "Lockstep"}));
    assert_eq!(asked["authenticatorSelection"]["authenticatorAttachment"], "cross-platform");
    create(&mut browser, &mut key).await;
    assert_eq!(browser.screen(), "mfa-webauthn-change-key-nickname", "{}", browser.page.body);
    assert_eq!(browser.attribute("#nickname", "value").as_deref(), Some("Security key"));
    let listed = methods(&app, &ana).await;
    assert_eq!(listed.as_array().unwrap().len(), 0, "nothing is enrolled before it has a name");
    browser.submit(&[("nickname", " \u{7}")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("no-nickname"));
    browser.submit(&[("nickname", &"x".repeat(21))]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("nickname-too-long"));
    assert_eq!(
        browser.attribute("#nickname", "value"),
        Some("x".repeat(21)),
        "what was typed is still there"
    );
    name(&mut browser, "Blue key").await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "pop", "hwk"]));
    let listed = methods(&app, &ana).await;
    assert_eq!(listed[0]["type"], "webauthn-roaming");
    assert_eq!(listed[0]["name"], "Blue key");

    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge");
    assert_eq!(options(&browser)["allowCredentials"].as_array().unwrap().len(), 1);
    touch(&mut browser, &mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "pop", "hwk"]));
}

#[tokio::test]
async fn a_key_steps_up_and_a_browser_can_be_remembered_with_it() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, mut key) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let signed = key.get(&options(&browser), ORIGIN).unwrap();
    browser.submit(&[("response", &signed.to_string()), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    assert!(browser.cookie("__Host-auth0-mf").is_some());
    browser.drop_cookie("__Host-auth0");
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    browser.authorize(&[ACR]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge");
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn an_answer_counts_once_and_only_on_our_page() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, mut key) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    let (eve, mut hers) = with_key(&app, "eve@example.com", Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let first = options(&browser);
    let signed = key.get(&first, ORIGIN).unwrap().to_string();
    let foreign = key
        .get_but(&first, ORIGIN, &mut |s: &mut Signing| s.client_data["origin"] = json!("https://evil.test"))
        .unwrap();
    browser.submit(&[("response", &foreign.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-challenge-error"));
    assert_ne!(
        options(&browser)["challenge"],
        first["challenge"],
        "what was answered is over, right or wrong"
    );
    browser.submit(&[("response", &signed)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-challenge-error"), "of the challenge before");
    for garbage in ["", "{}", "null", "[1]", "{\"id\":\"AAAA\"}", &"x".repeat(100_000)] {
        browser.submit(&[("response", garbage)]).await;
        assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge");
    }
    // Another person's key signs what was asked of this one.
    let mut theirs = app.browser();
    theirs.authorize(&[]).await.password(&eve).await;
    let mut mixed = options(&theirs);
    mixed["challenge"] = options(&browser)["challenge"].clone();
    let signed = hers.get(&mixed, ORIGIN).unwrap();
    browser.submit(&[("response", &signed.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-challenge-error"));
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn what_the_browser_says_is_told_in_plain_words_and_logged() {
    let app = app(&["webauthn-roaming", "otp"]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-begin-enroll-options");
    browser.submit(&[("action", "webauthn-roaming::0")]).await;
    for (name, error) in [
        ("NotAllowedError", "webauthn-not-allowed"),
        ("AbortError", "webauthn-not-allowed"),
        ("InvalidStateError", "webauthn-already-enrolled"),
        ("ConstraintError", "webauthn-not-supported"),
        ("SecurityError", "webauthn-failed"),
        ("<script>", "webauthn-failed"),
    ] {
        browser.submit(&[("failure", name)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some(error), "{name}");
        assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment");
    }
    let logs = admin(&app)
        .await
        .expect(200, "GET", "/logs?q=type:gd_webauthn_enrollment_failed&per_page=50", None)
        .await;
    let logs = logs.as_array().unwrap();
    assert_eq!(logs.len(), 6);
    assert!(logs.iter().any(|log| log["details"]["note"] == "InvalidStateError"), "{logs:?}");
    assert!(logs.iter().all(|log| !log.to_string().contains("<script>")));
    browser.submit(&[("action", "pick-authenticator")]).await;
    assert_eq!(browser.screen(), "mfa-begin-enroll-options");
    browser.submit(&[("action", "otp::0")]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
}

#[tokio::test]
async fn a_copied_key_is_refused_logged_and_another_way_is_open() {
    let app = app(&["webauthn-roaming", "recovery-code"]).await;
    let ana = app.user("ana@example.com").await;
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    create(&mut browser, &mut key).await;
    name(&mut browser, "Blue key").await;
    let code = browser.save_recovery_code().await;
    let mut copy = key.clone();
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    touch(&mut browser, &mut copy).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-copied-key"));
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "recovery-code::0")]).await;
    browser.submit(&[("code", &code)]).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code", "{}", browser.page.body);
}

#[tokio::test]
async fn too_many_answers_stop_even_a_right_one_for_a_while() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, mut key) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    for _ in 0..15 {
        let elsewhere = &mut |s: &mut Signing| s.client_data["origin"] = json!("https://evil.test");
        let signed = key.get_but(&options(&browser), ORIGIN, elsewhere).unwrap();
        browser.submit(&[("response", &signed.to_string())]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("webauthn-challenge-error"));
    }
    touch(&mut browser, &mut key).await;
    assert_eq!(browser.error_shown().as_deref(), Some("too-many-webauthn-challenge-attempts-error"));
    app.clock.advance(Span::minutes(1));
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn what_a_browser_says_again_and_again_does_not_fill_the_log() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, mut key) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    for _ in 0..20 {
        browser.submit(&[("failure", "NotAllowedError")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("webauthn-not-allowed"));
    }
    let ticket = ticket(&app, &ana, "webauthn-roaming").await;
    browser.goto(&ticket).await.submit(&[]).await;
    browser.submit(&[("failure", "NotAllowedError")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-not-allowed"));
    let admin = admin(&app).await;
    let count = async || {
        let all = admin.expect(200, "GET", "/logs?q=type:gd_webauthn_*&per_page=100", None).await;
        all.as_array().unwrap().len()
    };
    assert_eq!(count().await, 15);
    app.clock.advance(Span::minutes(1));
    browser.submit(&[("failure", "NotAllowedError")]).await;
    assert_eq!(count().await, 16);
    // It costs no tries: nothing was answered.
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn too_many_answers_to_a_ticket_are_told_as_those_of_keys() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, _) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    let ticket = ticket(&app, &ana, "webauthn-roaming").await;
    browser.goto(&ticket).await.submit(&[]).await;
    // Of another challenge, each of them.
    let stale =
        VirtualKey::new(Model::SECURITY_KEY).create(&options(&browser), ORIGIN, &mut SystemRng).unwrap();
    let stale = stale.to_string();
    browser.goto(&ticket).await.submit(&[]).await;
    for tries in 0..16 {
        browser.submit(&[("response", &stale)]).await;
        let told = browser.error_shown();
        let wanted = if tries < 15 {
            "webauthn-associate-error"
        } else {
            "too-many-webauthn-challenge-attempts-error"
        };
        assert_eq!(told.as_deref(), Some(wanted), "{tries}");
    }
}

#[tokio::test]
async fn a_ticket_enrols_a_key_of_the_device_beside_another_factor() {
    let app = app(&["webauthn-platform", "otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut key = VirtualKey::new(Model::SYNCED);
    let mut browser = app.browser();
    let ticket = ticket(&app, &ana, "webauthn-platform").await;
    browser.goto(&ticket).await.submit(&[]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-enrollment", "{}", browser.page.body);
    assert_eq!(options(&browser)["authenticatorSelection"]["userVerification"], "required");
    create(&mut browser, &mut key).await;
    assert_eq!(browser.attribute("#nickname", "value").as_deref(), Some("This device"));
    browser.submit(&[("nickname", "Laptop")]).await;
    assert_eq!(browser.screen(), "mfa-enroll-result", "{}", browser.page.body);

    // On another kind of device it is not asked first, and can be chosen: keys are copied.
    let mut browser = app.browser();
    browser.pretend_to_be(WINDOWS);
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "webauthn-platform::0")]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-challenge");
    touch(&mut browser, &mut key).await;
    browser.back_with_code();

    // The kind of device where it was enrolled is known again.
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-challenge");
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "otp::0")]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "webauthn-platform::0")]).await;
    touch(&mut browser, &mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "pop", "swk"]), "a synced key is no hardware");
}

#[tokio::test]
async fn a_key_that_is_not_named_in_time_is_not_enrolled() {
    let app = app(&["webauthn-roaming"]).await;
    let ana = app.user("ana@example.com").await;
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    create(&mut browser, &mut key).await;
    app.clock.advance(Span::minutes(6));
    browser.submit(&[("nickname", "Blue key")]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment");
    assert_eq!(browser.error_shown().as_deref(), Some("transaction-not-found"));
}

#[tokio::test]
async fn an_answer_that_is_too_late_or_of_a_removed_key_is_none() {
    let app = app(&["webauthn-roaming", "otp"]).await;
    let ana = app.user("ana@example.com").await;
    let mut key = VirtualKey::new(Model::SECURITY_KEY);
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.submit(&[("action", "webauthn-roaming::0")]).await;
    create(&mut browser, &mut key).await;
    name(&mut browser, "Blue key").await;
    browser.back_with_code();

    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let signed = key.get(&options(&browser), ORIGIN).unwrap();
    app.clock.advance(Span::seconds(301));
    browser.submit(&[("response", &signed.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-challenge-error"));
    let signed = key.get(&options(&browser), ORIGIN).unwrap();
    let id = ana.id.as_str().replace('|', "%7C");
    admin(&app).await.expect(204, "DELETE", &format!("/users/{id}/authenticators"), None).await;
    browser.submit(&[("response", &signed.to_string())]).await;
    assert_eq!(browser.screen(), "mfa-begin-enroll-options", "nothing is left to ask for");
}

/// Ana with an app and no key, where keys of the device are switched on.
async fn ana_with_an_app(app: &TestApp) -> Person {
    app.mfa(&["webauthn-platform", "otp"], &["all-applications"]).await;
    app.user_with_totp("ana@example.com").await
}

/// Logs in at a laptop by password and code, as far as that goes; the browser says what it can do.
async fn log_in_at_a_laptop(app: &TestApp, browser: &mut Browser<'_>, person: &Person, platform: &str) {
    browser.pretend_to_be(WINDOWS);
    // Each code counts once.
    app.clock.advance(Span::minutes(2));
    browser.authorize(&[("prompt", "login")]).await.password(person).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "{}", browser.page.body);
    let code = person.phone.as_ref().unwrap().code_at(app.now());
    browser.submit(&[("code", &code)]).await;
    if browser.screen() == "mfa-detect-browser-capabilities" {
        let said = [("isWebAuthnAvailable", "true"), ("isWebAuthnPlatformAvailable", platform)];
        browser.submit(&said).await;
    }
}

#[tokio::test]
async fn a_key_of_the_device_is_offered_after_another_factor_and_asked_first_ever_after() {
    let app = TestApp::new().await.with_apps().await;
    let ana = ana_with_an_app(&app).await;
    let mut browser = app.browser();
    log_in_at_a_laptop(&app, &mut browser, &ana, "true").await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-enrollment", "{}", browser.page.body);
    assert!(
        browser.page.body.contains("Remind me later") && browser.page.body.contains("Not on this device")
    );
    let mut key = VirtualKey::new(Model::DEVICE);
    create(&mut browser, &mut key).await;
    assert!(!browser.page.body.contains("Remind me later"));
    name(&mut browser, "Laptop").await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd", "mfa", "otp", "pop", "hwk"]), "both were proven");
    assert_eq!(methods(&app, &ana).await[1]["type"], "webauthn-platform");

    let mut browser = app.browser();
    browser.pretend_to_be(WINDOWS);
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-challenge");
    touch(&mut browser, &mut key).await;
    browser.back_with_code();
    // Another factor on the same kind of device: it is there already.
    let mut browser = app.browser();
    browser.pretend_to_be(WINDOWS);
    app.clock.advance(Span::minutes(2));
    browser.authorize(&[]).await.password(&ana).await;
    browser.submit(&[("action", "pick-authenticator")]).await;
    browser.submit(&[("action", "otp::0")]).await;
    let code = ana.phone.as_ref().unwrap().code_at(app.now());
    browser.submit(&[("code", &code)]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn what_was_declined_is_asked_again_after_a_week_or_a_year_in_that_browser() {
    let app = TestApp::new().await.with_apps().await;
    let ana = ana_with_an_app(&app).await;
    let mut browser = app.browser();
    let offered = |browser: &Browser<'_>| browser.screen() == "mfa-webauthn-platform-enrollment";
    for (action, days) in [("snooze-enrollment", 7), ("refuse-add-device", 365)] {
        log_in_at_a_laptop(&app, &mut browser, &ana, "true").await;
        assert!(offered(&browser), "{action}: {}", browser.page.body);
        browser.submit(&[("action", action)]).await;
        browser.back_with_code();
        app.clock.advance(Span::minutes(days * 24 * 60 - 5));
        log_in_at_a_laptop(&app, &mut browser, &ana, "true").await;
        browser.back_with_code();
        app.clock.advance(Span::minutes(5));
    }
    log_in_at_a_laptop(&app, &mut browser, &ana, "true").await;
    assert!(offered(&browser), "{}", browser.page.body);
    browser.submit(&[("action", "refuse-add-device")]).await;
    browser.back_with_code();
    // Another browser is another device, and another person is not asked for.
    let mut other = app.browser();
    log_in_at_a_laptop(&app, &mut other, &ana, "true").await;
    assert!(offered(&other));
    let ben = app.user_with_totp("ben@example.com").await;
    log_in_at_a_laptop(&app, &mut browser, &ben, "true").await;
    assert!(offered(&browser), "{}", browser.page.body);
}

#[tokio::test]
async fn a_device_that_has_no_authenticator_is_offered_nothing_and_nobody_is_kept_from_the_application() {
    let app = TestApp::new().await.with_apps().await;
    let ana = ana_with_an_app(&app).await;
    for said in ["false", "", "maybe"] {
        let mut browser = app.browser();
        log_in_at_a_laptop(&app, &mut browser, &ana, said).await;
        browser.back_with_code();
    }
    // Without scripts the form says false by itself.
    let mut browser = app.browser();
    browser.pretend_to_be(WINDOWS);
    app.clock.advance(Span::minutes(2));
    browser.authorize(&[]).await.password(&ana).await;
    let code = ana.phone.as_ref().unwrap().code_at(app.now());
    browser.submit(&[("code", &code)]).await;
    assert_eq!(browser.screen(), "mfa-detect-browser-capabilities");
    // Who leaves here has logged in.
    let mut same = browser;
    same.authorize(&[("prompt", "none")]).await;
    same.back_with_code();
    // A browser that cannot be known again is not asked.
    let mut odd = app.browser();
    odd.pretend_to_be("curl/8.0");
    app.clock.advance(Span::minutes(2));
    odd.authorize(&[]).await.password(&ana).await;
    let code = ana.phone.as_ref().unwrap().code_at(app.now());
    odd.submit(&[("code", &code)]).await;
    odd.back_with_code();
}

#[tokio::test]
async fn a_class_of_devices_has_one_key_until_it_is_removed() {
    let app = app(&["webauthn-platform", "otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.pretend_to_be(WINDOWS);
    let link = ticket(&app, &ana, "webauthn-platform").await;
    browser.goto(&link).await.submit(&[]).await;
    // A second page that was opened before.
    let mut other = app.browser();
    other.pretend_to_be("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/130.0.0.0 Safari/537.36");
    let link = ticket(&app, &ana, "webauthn-platform").await;
    other.goto(&link).await.submit(&[]).await;
    create(&mut other, &mut VirtualKey::new(Model::DEVICE)).await;
    create(&mut browser, &mut VirtualKey::new(Model::DEVICE)).await;
    browser.submit(&[("nickname", "Laptop")]).await;
    assert_eq!(browser.screen(), "mfa-enroll-result", "{}", browser.page.body);
    other.submit(&[("nickname", "Other laptop")]).await;
    assert_eq!(other.error_shown().as_deref(), Some("user-already-enrolled"), "a laptop is a laptop");
    assert_eq!(methods(&app, &ana).await.as_array().unwrap().len(), 2);
    // Another ticket has nothing to enrol there, and on a phone it has.
    let link = ticket(&app, &ana, "webauthn-platform").await;
    browser.goto(&link).await.submit(&[]).await;
    assert_ne!(browser.screen(), "mfa-webauthn-platform-enrollment");
    browser.pretend_to_be(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile Safari/604.1",
    );
    browser.goto(&link).await.submit(&[]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-enrollment");
    create(&mut browser, &mut VirtualKey::new(Model::DEVICE)).await;
    browser.submit(&[("nickname", "Phone")]).await;
    let all = methods(&app, &ana).await;
    assert_eq!(all.as_array().unwrap().len(), 3, "{all}");
    // Once it is removed there is room for another.
    let laptop = all.as_array().unwrap().iter().find(|method| method["name"] == "Laptop").unwrap();
    let path = format!(
        "/users/{}/authentication-methods/{}",
        ana.id.as_str().replace('|', "%7C"),
        laptop["id"].as_str().unwrap().replace('|', "%7C")
    );
    admin(&app).await.expect(204, "DELETE", &path, None).await;
    let link = ticket(&app, &ana, "webauthn-platform").await;
    browser.pretend_to_be(WINDOWS);
    browser.goto(&link).await.submit(&[]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-enrollment");
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_a_key_and_the_key_works_again_afterwards() {
    let app = app(&["webauthn-roaming"]).await;
    let (ana, mut stick) = with_key(&app, "ana@example.com", Model::SECURITY_KEY).await;
    app.mfa(&["webauthn-roaming", "webauthn-platform", "recovery-code"], &["all-applications"]).await;
    let path = format!("/users/{}/recovery-code-regeneration", ana.id.as_str().replace('|', "%7C"));
    let made = admin(&app).await.expect(200, "POST", &path, None).await;
    let code = made["recovery_code"].as_str().unwrap().to_owned();
    let (_, mut device) = app.with_key(&ana, Model::DEVICE).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge");
    browser.submit(&[("action", "pick-authenticator")]).await;
    assert!(browser.page.body.contains("recovery-code::"), "{}", browser.page.body);
    browser.submit(&[("action", "recovery-code::2")]).await;
    browser.code(&code).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
    let fresh = browser.save_recovery_code().await;
    assert_ne!(fresh, code);
    without_offer(&mut browser).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert!(tokens.id["amr"].as_array().unwrap().contains(&json!("mfa")), "{}", tokens.id["amr"]);
    // Either key does, the next time, and remembers the browser.
    for (method, key) in [("webauthn-roaming::0", &mut stick), ("webauthn-platform::0", &mut device)] {
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        if browser.attribute("[data-screen]", "data-screen").unwrap()
            != format!("mfa-{}-challenge", &method[..method.len() - 3])
        {
            browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", method)]).await;
        }
        let signed = key.get(&options(&browser), ORIGIN).unwrap();
        browser.submit(&[("response", &signed.to_string()), ("rememberBrowser", "true")]).await;
        without_offer(&mut browser).await;
        browser.back_with_code();
        browser.drop_cookie("__Host-auth0");
        browser.authorize(&[]).await.password(&ana).await;
        browser.back_with_code();
    }
}

/// Goes past the offer of a key of the device, as a device without an authenticator does.
async fn without_offer(browser: &mut Browser<'_>) {
    if browser.screen() == "mfa-detect-browser-capabilities" {
        browser.submit(&[]).await;
    }
}
