//! Passkeys on the login pages, answered by virtual keys.

use lockstep_core::assurance::PAPE;
use lockstep_core::factors::webauthn::device::{Model, Signing, VirtualKey};
use lockstep_core::model::message::MessageKind;
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::{admin, logged};
use crate::support::{ACR, Browser, Person, TestApp, at_once, authorize};

const ORIGIN: &str = "https://lockstep.test";

async fn tenant() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.passkeys(json!({})).await;
    app
}

/// What the page gives to the browser.
#[track_caller]
fn options(browser: &Browser<'_>) -> Value {
    let text = browser.attribute("[data-key=login]", "data-options");
    serde_json::from_str(&text.unwrap_or_else(|| panic!("{}", browser.page.body))).unwrap()
}

/// Posts what the browser would, once this key has answered the page.
async fn answer(browser: &mut Browser<'_>, key: &mut VirtualKey) {
    answer_but(browser, key, &mut |_| {}).await;
}

async fn answer_but(browser: &mut Browser<'_>, key: &mut VirtualKey, change: &mut dyn FnMut(&mut Signing)) {
    let said = key.get_but(&options(browser), ORIGIN, change).unwrap();
    browser.submit(&[("action", "passkey"), ("response", &said.to_string())]).await;
}

async fn with_passkey(app: &TestApp, email: &str, model: Model) -> (Person, VirtualKey) {
    let person = app.user_with_totp(email).await;
    let key = app.with_passkey(&person, model).await;
    (person, key)
}

#[tokio::test]
async fn a_passkey_logs_in_without_a_name_or_a_password() {
    let app = tenant().await;
    let (ana, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let asked = options(&browser);
    let challenge = asked["challenge"].clone();
    assert_eq!(
        asked,
        json!({"challenge": challenge, "timeout": 60000, "rpId": "lockstep.test", "userVerification": "preferred"}),
        "nobody has said a name, so there is no list of keys"
    );
    answer(&mut browser, &mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["sub"], ana.id.as_str());
    assert_eq!((&tokens.id["amr"], tokens.id.get("acr")), (&json!(["pop", "swk"]), None));
    // The session is one like every other.
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    assert_eq!(logged(&app, "s").await.len(), 1);
}

#[tokio::test]
async fn the_page_offers_what_the_connection_has() {
    let app = TestApp::new().await.with_apps().await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    assert_eq!(browser.attribute("[data-key]", "data-key"), None, "passkeys are off at first");
    assert_eq!(browser.attribute("#username", "autocomplete").as_deref(), Some("username"));
    for (ui, button, autofill) in [("both", true, true), ("button", true, false), ("autofill", false, true)] {
        app.passkeys(json!({"challenge_ui": ui})).await;
        for identifier_first in [false, true] {
            app.identifier_first(identifier_first).await;
            browser.authorize(&[]).await;
            assert_eq!(browser.screen(), if identifier_first { "login-id" } else { "login" });
            let named = if autofill { "username webauthn" } else { "username" };
            assert_eq!(browser.attribute("#username", "autocomplete").as_deref(), Some(named), "{ui}");
            assert_eq!(browser.attribute("button[value=passkey]", "type").is_some(), button, "{ui}");
            assert_eq!(browser.attribute("[data-key]", "data-autofill").is_some(), autofill, "{ui}");
        }
    }
}

#[tokio::test]
async fn a_passkey_is_taken_on_the_page_of_the_identifier_too() {
    let app = tenant().await;
    let (ana, mut key) = with_passkey(&app, "ana@example.com", Model::DEVICE).await;
    app.identifier_first(true).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    assert_eq!(browser.screen(), "login-id");
    answer(&mut browser, &mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!((&tokens.id["sub"], &tokens.id["amr"]), (&json!(ana.id.as_str()), &json!(["pop", "hwk"])));
    // Who went on to the page of the password finds no passkey there, and back again does.
    browser.drop_cookie("__Host-auth0");
    browser.authorize(&[]).await.submit(&[("username", "ana@example.com")]).await;
    assert_eq!(browser.screen(), "login-password");
    assert_eq!(browser.attribute("[data-key]", "data-key"), None);
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/login/identifier?state={state}")).await;
    answer(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_passkey_goes_through_the_same_decision_about_mfa_as_a_password() {
    let app = tenant().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let (ana, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    answer(&mut browser, &mut key).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "the policy counts here too");
    browser.code("000000").await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-code"));
    browser.code(&app.code(&ana)).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!((&tokens.id["amr"], &tokens.id["acr"]), (&json!(["pop", "swk", "mfa", "otp"]), &json!(PAPE)));
    // Without the policy the request may ask.
    app.mfa(&["otp"], &[]).await;
    app.clock.advance(Span::minutes(1));
    let mut other = app.browser();
    other.authorize(&[ACR]).await;
    answer(&mut other, &mut key).await;
    assert_eq!(other.screen(), "mfa-otp-challenge");
    // Who has no factor enrols one.
    app.mfa(&["otp"], &["all-applications"]).await;
    let ben = app.user("ben@example.com").await;
    let mut bens = app.with_passkey(&ben, Model::SYNCED).await;
    let mut third = app.browser();
    third.authorize(&[]).await;
    answer(&mut third, &mut bens).await;
    assert_eq!(third.screen(), "mfa-otp-enrollment-qr");
}

#[tokio::test]
async fn a_passkey_is_mfa_on_the_pages_where_the_tenant_says_so_and_only_if_it_verified_its_user() {
    for satisfies in [false, true] {
        let app =
            TestApp::with(|config| config.passkey_satisfies_mfa = Some(satisfies)).await.with_apps().await;
        app.passkeys(json!({})).await;
        app.mfa(&["otp"], &["all-applications"]).await;
        let (ana, mut verifies) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
        let mut browser = app.browser();
        browser.authorize(&[ACR]).await;
        answer(&mut browser, &mut verifies).await;
        if satisfies {
            let tokens = app.redeem(&browser.back_with_code()).await;
            assert_eq!((&tokens.id["amr"], &tokens.id["acr"]), (&json!(["pop", "swk", "mfa"]), &json!(PAPE)));
        } else {
            assert_eq!(browser.screen(), "mfa-otp-challenge");
        }
        let mut touched = app.with_passkey(&ana, Model::TOUCH_ONLY).await;
        let mut other = app.browser();
        other.authorize(&[]).await;
        answer(&mut other, &mut touched).await;
        assert_eq!(other.screen(), "mfa-otp-challenge", "without verification it is one factor");
    }
}

#[tokio::test]
async fn prompt_and_max_age_ask_for_the_passkey_again() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    answer(&mut browser, &mut key).await;
    let first = app.redeem(&browser.back_with_code()).await;
    app.clock.advance(Span::minutes(10));
    for more in [("prompt", "login"), ("max_age", "60"), ("max_age", "0")] {
        browser.authorize(&[more]).await;
        assert_eq!(browser.screen(), "login", "{more:?}");
        answer(&mut browser, &mut key).await;
        let tokens = app.redeem(&browser.back_with_code()).await;
        assert_eq!(tokens.id["auth_time"], app.now().as_secs(), "{more:?}");
        assert!(tokens.id["auth_time"].as_i64() > first.id["auth_time"].as_i64());
        app.clock.advance(Span::minutes(2));
    }
}

#[tokio::test]
async fn an_answer_counts_once_and_only_for_the_page_that_asked() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let (mut one, mut two) = (app.browser(), app.browser());
    one.authorize(&[]).await;
    two.authorize(&[]).await;
    assert_ne!(options(&one)["challenge"], options(&two)["challenge"]);
    // The answer to the one, on the other.
    let said = key.get(&options(&one), ORIGIN).unwrap().to_string();
    two.submit(&[("response", &said)]).await;
    assert_eq!(two.error_shown().as_deref(), Some("invalid-passkey"));
    // A wrong one ends what was asked: the right one to the same comes too late, and what the page asks now works.
    let asked = options(&one);
    let mut wrong: Value = serde_json::from_str(&said).unwrap();
    wrong["response"]["signature"] = json!("AAAA");
    one.submit(&[("response", &wrong.to_string())]).await;
    assert_eq!(one.error_shown().as_deref(), Some("invalid-passkey"));
    assert_ne!(options(&one)["challenge"], asked["challenge"]);
    one.submit(&[("response", &said)]).await;
    assert_eq!(one.error_shown().as_deref(), Some("invalid-passkey"));
    answer(&mut one, &mut key).await;
    one.back_with_code();
    // Time ends it too, and a page that is loaded in good time has a fresh one.
    let asked = options(&two);
    app.clock.advance(Span::seconds(140));
    let state = two.query("state").unwrap();
    two.goto(&format!("/u/login?state={state}")).await;
    assert_eq!(options(&two)["challenge"], asked["challenge"], "it lives for long enough still");
    app.clock.advance(Span::seconds(20));
    two.goto(&format!("/u/login?state={state}")).await;
    assert_ne!(options(&two)["challenge"], asked["challenge"]);
    let late = key.get(&options(&two), ORIGIN).unwrap();
    app.clock.advance(Span::minutes(6));
    two.submit(&[("response", &late.to_string())]).await;
    assert_eq!(two.error_shown().as_deref(), Some("passkey-authentication-failed"));
    answer(&mut two, &mut key).await;
    two.back_with_code();
}

#[tokio::test]
async fn of_ten_answers_at_once_one_logs_in() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let said = key.get(&options(&browser), ORIGIN).unwrap().to_string();
    let state = browser.query("state").unwrap();
    let cookies: Vec<_> = browser.cookies().clone().into_iter().collect();
    let codes = at_once((0..10).map(|_| async {
        let mut tab = app.browser();
        for (name, value) in &cookies {
            tab.plant_cookie(name, value);
        }
        tab.post(&format!("/u/login?state={state}"), &[("state", &state), ("response", &said)]).await;
        tab.query("code")
    }))
    .await;
    assert_eq!(codes.iter().flatten().count(), 1);
}

#[tokio::test]
async fn each_thing_that_an_answer_may_be_wrong_in_is_refused() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let changes: [fn(&mut Signing); 6] = [
        |signing| signing.client_data["origin"] = json!("https://evil.example"),
        |signing| signing.client_data["origin"] = json!("https://app.lockstep.test"),
        |signing| signing.client_data["type"] = json!("webauthn.create"),
        |signing| signing.client_data["crossOrigin"] = json!(true),
        |signing| signing.authenticator_data[0] ^= 1,
        |signing| signing.authenticator_data[32] = 0,
    ];
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for mut change in changes {
        answer_but(&mut browser, &mut key, &mut change).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-passkey"));
    }
    for broken in ["", "{}", "null", "[]", "{\"id\":1}"] {
        browser.submit(&[("response", broken)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-passkey"), "{broken}");
    }
    let failures = logged(&app, "f").await;
    assert_eq!(failures.len(), 11);
    assert_eq!(failures[0]["connection"], "Username-Password-Authentication");
    answer(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_passkey_that_nobody_has_is_told_in_the_same_words_whoever_had_it() {
    let app = tenant().await;
    let (ana, mut removed) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut gone = app.with_passkey(&app.user("ben@example.com").await, Model::SYNCED).await;
    let admin = admin(&app).await;
    let path = format!("/users/{}/authentication-methods", ana.id.as_str().replace('|', "%7C"));
    let methods = admin.expect(200, "GET", &path, None).await;
    let passkey = methods.as_array().unwrap().iter().find(|m| m["type"] == "passkey").unwrap();
    let one = format!("{path}/{}", passkey["id"].as_str().unwrap().replace('|', "%7C"));
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(204, "DELETE", "/users/auth0%7Cben", None).await;
    let mut pages = Vec::new();
    for key in [&mut removed, &mut gone] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        let said = key.get(&options(&browser), ORIGIN).unwrap();
        browser.submit(&[("response", &said.to_string()), ("username", "somebody")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("no-passkey"));
        // The browser is told which one it may forget.
        assert_eq!(browser.attribute("[data-key]", "data-unknown").as_deref(), said["id"].as_str());
        assert_eq!(browser.attribute("#username", "value").as_deref(), Some("somebody"));
        pages.push(browser.text("#form-errors"));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn what_the_browser_says_of_its_failure_is_told_and_logged() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let asked = options(&browser);
    browser.submit(&[("failure", "NotAllowedError"), ("username", "ana@exa")]).await;
    assert_eq!(browser.page.status, 400);
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-authentication-failed"));
    assert_eq!(browser.attribute("#username", "value").as_deref(), Some("ana@exa"));
    let failed = logged(&app, "passkey_challenge_failed").await;
    let details = json!({"error": {"message": "NotAllowedError"}, "purpose": "login"});
    assert_eq!((failed.len(), &failed[0]["details"]), (1, &details));
    assert_eq!(options(&browser), asked, "nobody has answered yet");
    answer(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_blocked_user_and_a_switched_off_connection_let_nobody_in() {
    let app = tenant().await;
    let (ana, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut half = app.browser();
    half.authorize(&[]).await;
    app.block(&ana, true).await;
    answer(&mut half, &mut key).await;
    assert_eq!(half.back_with_error(), ("unauthorized".to_owned(), "user is blocked".to_owned()));
    app.block(&ana, false).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let said = key.get(&options(&browser), ORIGIN).unwrap();
    let admin = admin(&app).await;
    let all = admin.expect(200, "GET", "/connections?name=Username-Password-Authentication", None).await;
    let mut off = all[0]["options"].clone();
    off["authentication_methods"]["passkey"] = json!({"enabled": false});
    let path = format!("/connections/{}", all[0]["id"].as_str().unwrap());
    admin.expect(200, "PATCH", &path, Some(json!({"options": off}))).await;
    browser.submit(&[("response", &said.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-allowed"));
    assert_eq!(browser.attribute("[data-key]", "data-key"), None);
}

#[tokio::test]
async fn a_copied_passkey_is_refused_and_its_owner_told() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::DEVICE).await;
    let mut copy = key.clone();
    for _ in 0..2 {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        answer(&mut browser, &mut key).await;
        browser.back_with_code();
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    answer(&mut browser, &mut copy).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-copied-key"));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("passkey"));
}

#[tokio::test]
async fn backup_flags_that_change_lock_nobody_out() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model { counts: false, ..Model::DEVICE }).await;
    for (set, clear) in [(0b0001_1000, 0), (0b0000_1000, 0b0001_0000)] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        let mut flags = |signing: &mut Signing| {
            signing.authenticator_data[32] = signing.authenticator_data[32] & !clear | set;
        };
        answer_but(&mut browser, &mut key, &mut flags).await;
        browser.back_with_code();
    }
    assert_eq!(logged(&app, "w").await.len(), 1, "the first time it is worth a line");
}

#[tokio::test]
async fn who_sends_wrong_answers_again_and_again_waits() {
    let app = tenant().await;
    let (_, mut key) = with_passkey(&app, "ana@example.com", Model::SYNCED).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for _ in 0..15 {
        browser.submit(&[("response", "{}")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("invalid-passkey"));
    }
    let asked = options(&browser);
    answer(&mut browser, &mut key).await;
    let waits = Some("too-many-webauthn-challenge-attempts-error");
    assert_eq!(browser.error_shown().as_deref(), waits, "from this address, whatever the login");
    assert_eq!(options(&browser), asked, "nothing was judged");
    app.clock.advance(Span::seconds(4));
    answer(&mut browser, &mut key).await;
    browser.back_with_code();
}

#[tokio::test]
async fn no_page_before_the_first_factor_names_a_key() {
    let app = tenant().await;
    app.mfa(&["webauthn-roaming"], &["all-applications"]).await;
    let fay = app.user("fay@example.com").await;
    let (on, _) = app.with_key(&fay, Model::SECURITY_KEY).await;
    let mut passkey = app.with_passkey(&fay, Model::SYNCED).await;
    let mut browser = app.browser();
    browser.goto(&authorize(&[("login_hint", &fay.email)])).await;
    let id = on.data["key_id"].as_str().unwrap().to_owned();
    let own = passkey.get(&options(&browser), ORIGIN).unwrap()["id"].as_str().unwrap().to_owned();
    browser.submit(&[("username", &fay.email), ("password", "wrong")]).await;
    assert!(!browser.page.body.contains(&id) && !browser.page.body.contains(&own));
    browser.password(&fay).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge");
    assert!(browser.page.body.contains(&id) && !browser.page.body.contains(&own));
}

/// Posts what the browser would of a new passkey.
async fn create(browser: &mut Browser<'_>, key: &mut VirtualKey) {
    let options = browser.attribute("[data-key=create]", "data-options").expect("a passkey is offered");
    let made = key.create(&serde_json::from_str(&options).unwrap(), ORIGIN, &mut SystemRng).unwrap();
    browser.submit(&[("response", &made.to_string())]).await;
}

async fn methods(app: &TestApp, person: &Person) -> Vec<Value> {
    let path = format!("/users/{}/authentication-methods", person.id.as_str().replace('|', "%7C"));
    let all = admin(app).await.expect(200, "GET", &path, None).await;
    all.as_array().unwrap().iter().filter(|m| m["type"] == "passkey").cloned().collect()
}

#[tokio::test]
async fn who_has_a_password_alone_is_offered_a_passkey_and_logs_in_by_it_ever_after() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    let options: Value =
        serde_json::from_str(&browser.attribute("[data-key]", "data-options").unwrap()).unwrap();
    assert_eq!(options["rp"], json!({"id": "lockstep.test", "name": "Lockstep"}));
    assert_eq!(options["user"]["name"], "ana@example.com");
    assert_eq!(
        options["authenticatorSelection"],
        json!({"residentKey": "required", "userVerification": "preferred"})
    );
    let mut key = VirtualKey::new(Model::SYNCED);
    create(&mut browser, &mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd"]), "it was made, and has proven nothing");
    let stored = methods(&app, &ana).await;
    assert_eq!((stored.len(), &stored[0]["key_id"]), (1, &json!(key_id(&mut key, &app).await)));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("passkey"));
    let enrolled = logged(&app, "gd_enrollment_complete").await;
    assert_eq!(enrolled[0]["details"]["authenticator"]["type"], "passkey");
    let mut other = app.browser();
    other.authorize(&[]).await;
    answer(&mut other, &mut key).await;
    let tokens = app.redeem(&other.back_with_code()).await;
    assert_eq!((&tokens.id["sub"], &tokens.id["amr"]), (&json!(ana.id.as_str()), &json!(["pop", "swk"])));
    // Who has one is not asked again.
    let mut third = app.browser();
    third.authorize(&[]).await.password(&ana).await;
    third.back_with_code();
}

/// The identifier of the passkey that this key holds.
async fn key_id(key: &mut VirtualKey, app: &TestApp) -> String {
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    key.get(&options(&browser), ORIGIN).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_offer_that_is_put_off_comes_again_in_a_week_and_one_that_is_declined_never() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let log_in = async |answer: &[(&str, &str)]| {
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        let offered = browser.screen() == "passkey-enrollment";
        if offered {
            browser.submit(answer).await;
        }
        browser.back_with_code();
        offered
    };
    assert!(log_in(&[("action", "skip"), ("unable", "1")]).await);
    assert!(log_in(&[("action", "skip")]).await, "a browser that cannot do it declines nothing");
    assert!(!log_in(&[]).await);
    app.clock.advance(Span::days(6));
    assert!(!log_in(&[]).await);
    app.clock.advance(Span::days(1));
    assert!(log_in(&[("action", "skip"), ("doNotShowAgain", "true")]).await);
    app.clock.advance(Span::days(4000));
    assert!(!log_in(&[]).await);
    assert_eq!(methods(&app, &ana).await, [] as [Value; 0]);
}

#[tokio::test]
async fn who_leaves_the_offer_without_a_word_is_logged_in_all_the_same() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    browser.authorize(&[]).await;
    browser.back_with_code();
    // Nobody is asked by a silent request, and a session is not asked at a step-up.
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn no_passkey_is_added_by_the_password_alone_to_somebody_who_has_a_factor() {
    let app = tenant().await;
    app.mfa(&["otp"], &[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    browser.drop_cookie("__Host-auth0");
    browser.authorize(&[ACR]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    browser.code(&app.code(&ana)).await;
    assert_eq!(browser.screen(), "passkey-enrollment", "with the code she may");
    // A form for it that is sent before the code adds nothing.
    let mut forged = app.browser();
    let mut key = VirtualKey::new(Model::SYNCED);
    let options = browser.attribute("[data-key=create]", "data-options").unwrap();
    let made =
        key.create(&serde_json::from_str(&options).unwrap(), ORIGIN, &mut SystemRng).unwrap().to_string();
    app.clock.advance(Span::minutes(1));
    forged.authorize(&[ACR]).await.password(&ana).await;
    forged.submit(&[("response", &made)]).await;
    assert_eq!(forged.screen(), "mfa-otp-challenge");
    assert_eq!(methods(&app, &ana).await, [] as [Value; 0]);
    browser.submit(&[("response", &made)]).await;
    browser.back_with_code();
    assert_eq!(methods(&app, &ana).await.len(), 1);
}

#[tokio::test]
async fn who_logs_in_by_a_passkey_of_another_device_is_offered_one_on_this() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let mut phone = app.with_passkey(&ana, Model::SYNCED).await;
    let mut log_in = async |local: bool| {
        app.passkeys(json!({"local_enrollment_enabled": local})).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        let mut said = phone.get(&options(&browser), ORIGIN).unwrap();
        said["authenticatorAttachment"] = json!("cross-platform");
        browser.submit(&[("response", &said.to_string())]).await;
        browser
    };
    log_in(false).await.back_with_code();
    let mut browser = log_in(true).await;
    assert_eq!(browser.screen(), "passkey-enrollment-local");
    create(&mut browser, &mut VirtualKey::new(Model::DEVICE)).await;
    browser.back_with_code();
    assert_eq!(methods(&app, &ana).await.len(), 2);
    // A key that is plugged in is at hand here too.
    let ben = app.user("ben@example.com").await;
    let mut stick = app.with_passkey(&ben, Model::SECURITY_KEY).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    answer(&mut browser, &mut stick).await;
    browser.back_with_code();
}

#[tokio::test]
async fn what_goes_wrong_with_a_new_passkey_is_told_and_adds_nothing() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let asked = browser.attribute("[data-key]", "data-options").unwrap();
    for (why, key) in [
        ("NotAllowedError", "passkey-authentication-failed"),
        ("InvalidStateError", "passkey-already-there"),
        ("SecurityError", "passkey-not-added"),
    ] {
        browser.submit(&[("failure", why)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some(key));
    }
    let reports = logged(&app, "passkey_challenge_failed").await;
    assert_eq!((reports.len(), &reports[0]["details"]["purpose"]), (3, &json!("register")));
    let mut wrong = VirtualKey::new(Model::SYNCED);
    let mut made = wrong.create(&serde_json::from_str(&asked).unwrap(), ORIGIN, &mut SystemRng).unwrap();
    made["response"]["attestationObject"] = json!("AAAA");
    browser.submit(&[("response", &made.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    assert_ne!(browser.attribute("[data-key]", "data-options"), Some(asked));
    // A page that stood open for long asks anew when it is loaded.
    let asked = browser.attribute("[data-key]", "data-options").unwrap();
    app.clock.advance(Span::minutes(10));
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/passkey-enrollment?state={state}")).await;
    assert_ne!(browser.attribute("[data-key]", "data-options"), Some(asked));
    assert_eq!(methods(&app, &ana).await, [] as [Value; 0]);
    create(&mut browser, &mut VirtualKey::new(Model::SYNCED)).await;
    browser.back_with_code();
}
