//! Accounts that are made with a passkey instead of a password.

use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::{admin, logged};
use crate::support::{Browser, PASSWORD, TestApp, at_once};

const ORIGIN: &str = "https://lockstep.test";

async fn tenant() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.passkeys(json!({})).await;
    app
}

/// Begins a sign-up, and types this address.
async fn sign_up<'a>(app: &'a TestApp, email: &str) -> Browser<'a> {
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    assert_eq!(browser.screen(), "signup-id");
    assert!(browser.url.starts_with("https://lockstep.test/u/signup/identifier?"), "{}", browser.url);
    browser.submit(&[("email", email)]).await;
    browser
}

async fn users(app: &TestApp, email: &str) -> Vec<Value> {
    let path = format!("/users-by-email?email={}", email.replace('@', "%40"));
    admin(app).await.expect(200, "GET", &path, None).await.as_array().unwrap().clone()
}

#[tokio::test]
async fn an_account_is_made_by_a_passkey_and_logs_in_by_it_ever_after() {
    let app = tenant().await;
    let mut browser = sign_up(&app, "new@example.com").await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    assert_eq!(browser.attribute("#username", "value").as_deref(), Some("new@example.com"));
    assert_eq!(browser.attribute("#doNotShowAgain", "id"), None, "there is nobody to keep that for");
    let asked = browser.key_options();
    assert_eq!(
        (&asked["user"]["name"], &asked["authenticatorSelection"]["residentKey"]),
        (&json!("new@example.com"), &json!("required"))
    );
    let mut key = VirtualKey::new(Model::SYNCED);
    browser.make_key(&mut key).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pop", "swk"]));
    assert_eq!(tokens.id["email"], "new@example.com");
    let made = users(&app, "new@example.com").await;
    assert_eq!((made.len(), &made[0]["user_id"]), (1, &tokens.id["sub"]));
    assert_eq!(made[0]["email_verified"], false);
    let signed_up = logged(&app, "ss").await;
    assert_eq!((signed_up.len(), &signed_up[0]["user_id"]), (1, &tokens.id["sub"]));
    assert_eq!(signed_up[0]["details"]["body"]["is_signup"], true);
    assert_eq!(logged(&app, "s").await.len(), 1);
    let mut again = app.browser();
    again.authorize(&[]).await;
    let asked = again.attribute("[data-key=login]", "data-options").unwrap();
    let said = key.get(&serde_json::from_str(&asked).unwrap(), ORIGIN).unwrap().to_string();
    again.submit(&[("action", "passkey"), ("response", &said)]).await;
    assert_eq!(app.redeem(&again.back_with_code()).await.id["sub"], tokens.id["sub"]);
}

#[tokio::test]
async fn who_wants_no_passkey_goes_on_by_a_password_and_is_not_asked_twice() {
    let app = tenant().await;
    let mut browser = sign_up(&app, "new@example.com").await;
    browser.submit(&[("action", "skip")]).await;
    assert_eq!(browser.screen(), "signup-password");
    assert!(browser.url.starts_with("https://lockstep.test/u/signup/password?"), "{}", browser.url);
    browser.submit(&[("password", "weak")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("password-too-weak"));
    browser.submit(&[("password", PASSWORD)]).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["amr"], json!(["pwd"]));
    // Another day she is.
    let mut later = app.browser();
    later.authorize(&[]).await.submit(&[("username", "new@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(later.screen(), "passkey-enrollment");
    // A browser that cannot make one goes on by itself.
    let mut unable = sign_up(&app, "other@example.com").await;
    unable.submit(&[("action", "skip"), ("unable", "1")]).await;
    assert_eq!(unable.screen(), "signup-password");
}

#[tokio::test]
async fn the_policy_counts_after_a_sign_up_by_a_passkey_too() {
    let app = tenant().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let mut browser = sign_up(&app, "new@example.com").await;
    browser.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "{}", browser.page.body);
    assert_eq!(users(&app, "new@example.com").await.len(), 1);
}

#[tokio::test]
async fn known_and_unknown_people_see_the_same_until_the_end() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    let mut known = sign_up(&app, "ana@example.com").await;
    let mut unknown = sign_up(&app, "new@example.com").await;
    let plain = |browser: &Browser<'_>, email: &str| {
        let state = browser.query("state").unwrap();
        let asked = browser.key_options();
        let mut text = browser.page.body.replace(email, "EMAIL").replace(&state, "STATE");
        for secret in [&asked["challenge"], &asked["user"]["id"]] {
            text = text.replace(secret.as_str().unwrap(), "SECRET");
        }
        let nonce = text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        text.replace(&nonce, "NONCE")
    };
    assert_eq!(plain(&known, "ana@example.com"), plain(&unknown, "new@example.com"));
    let mut key = VirtualKey::new(Model::SYNCED);
    let said = key.create(&known.key_options(), ORIGIN, &mut SystemRng).unwrap();
    known.submit(&[("response", &said.to_string())]).await;
    assert_eq!((known.screen().as_str(), known.page.status.as_u16()), ("signup-id", 400));
    assert_eq!(known.error_shown().as_deref(), Some("email-in-use"));
    assert_eq!(known.attribute("#email", "value").as_deref(), Some("ana@example.com"));
    let told = known.attribute("[data-key=forget]", "data-options").unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told,
        json!({"rpId": "lockstep.test", "credentialId": said["id"]}),
        "the browser is to forget it"
    );
    assert_eq!(logged(&app, "fs").await.len(), 1);
    // It is no passkey of hers.
    let mut thief = app.browser();
    thief.authorize(&[]).await;
    let asked = thief.attribute("[data-key=login]", "data-options").unwrap();
    let said = key.get(&serde_json::from_str(&asked).unwrap(), ORIGIN).unwrap().to_string();
    thief.submit(&[("action", "passkey"), ("response", &said)]).await;
    assert_eq!(thief.error_shown().as_deref(), Some("no-passkey"));
    // By a password the end is the same.
    known.submit(&[("email", "ana@example.com")]).await.submit(&[("action", "skip")]).await;
    known.submit(&[("password", PASSWORD)]).await;
    assert_eq!(
        (known.screen().as_str(), known.error_shown().as_deref()),
        ("signup-id", Some("email-in-use"))
    );
    unknown.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    unknown.back_with_code();
}

#[tokio::test]
async fn an_answer_that_does_not_hold_makes_no_account_and_can_be_given_again() {
    let app = tenant().await;
    let ana = app.user("ana@example.com").await;
    let mut hers = app.with_passkey(&ana, Model::SYNCED).await;
    let mut browser = sign_up(&app, "new@example.com").await;
    let asked = browser.key_options();
    let mut other = asked.clone();
    other["challenge"] = json!("b3RoZXI");
    let said = VirtualKey::new(Model::SYNCED).create(&other, ORIGIN, &mut SystemRng).unwrap().to_string();
    browser.submit(&[("response", &said)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    assert_ne!(
        browser.key_options()["challenge"],
        asked["challenge"],
        "what was asked is over with its answer"
    );
    for (failure, told) in
        [("NotAllowedError", "passkey-authentication-failed"), ("SecurityError", "passkey-not-added")]
    {
        browser.submit(&[("failure", failure)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some(told));
    }
    assert_eq!(logged(&app, "passkey_challenge_failed").await.len(), 2);
    // Pressed where no script runs.
    browser.submit(&[]).await;
    assert_eq!((browser.screen().as_str(), browser.error_shown()), ("passkey-enrollment", None));
    // Her key cannot be another's too.
    let said = hers.create(&browser.key_options(), ORIGIN, &mut SystemRng).unwrap();
    let id = {
        let methods =
            admin(&app).await.expect(200, "GET", "/users/auth0%7Cana/authentication-methods", None).await;
        methods[0]["key_id"].clone()
    };
    let mut same = said.clone();
    same["id"] = id.clone();
    same["rawId"] = id;
    browser.submit(&[("response", &same.to_string())]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-not-added"));
    // A page that stands open asks anew in time; too late is too late.
    let before = browser.key_options();
    app.clock.advance(Span::minutes(4));
    let url = browser.url.clone();
    browser.goto(&url).await;
    assert_ne!(browser.key_options()["challenge"], before["challenge"]);
    let late = browser.key_options();
    app.clock.advance(Span::minutes(5));
    let said = VirtualKey::new(Model::SYNCED).create(&late, ORIGIN, &mut SystemRng).unwrap().to_string();
    browser.submit(&[("response", &said)]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-authentication-failed"));
    assert!(users(&app, "new@example.com").await.is_empty());
    browser.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    browser.back_with_code();
}

#[tokio::test]
async fn one_can_go_back_to_the_names_and_to_the_login() {
    let app = tenant().await;
    let mut browser = sign_up(&app, "typo@example.com").await;
    let edit = browser.attribute(".fixed a", "href").unwrap();
    browser.goto(&edit).await;
    assert_eq!(browser.screen(), "signup-id");
    assert_eq!(browser.attribute("#email", "value").as_deref(), Some("typo@example.com"));
    browser.submit(&[("email", "not an address")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-email-format"));
    browser.submit(&[("email", "new@example.com")]).await.submit(&[("action", "skip")]).await;
    browser.goto(&edit).await;
    assert_eq!(browser.attribute("#email", "value").as_deref(), Some("new@example.com"));
    browser.submit(&[("email", "new@example.com")]).await;
    let login = browser.attribute(".more a", "href").unwrap();
    browser.goto(&login).await;
    assert_eq!(browser.screen(), "login");
    let signup = browser.attribute("a[href*='/u/signup']", "href").unwrap();
    browser.goto(&signup).await;
    assert_eq!(browser.screen(), "signup-id");
}

#[tokio::test]
async fn where_passwords_make_no_accounts_passkeys_do() {
    let app = tenant().await;
    app.connection_options(json!({"authentication_methods": {"password": {"signup_behavior": "block"}}}))
        .await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let signup = browser.attribute("a[href*='/u/signup']", "href").expect("a link to the sign-up");
    browser.goto(&signup).await.submit(&[("email", "new@example.com")]).await;
    assert_eq!(browser.attribute("button[value=skip]", "value"), None, "there is no other way");
    browser.submit(&[("action", "skip")]).await;
    assert_eq!(browser.screen(), "passkey-enrollment");
    // Nobody may sign up any more while the page stands open.
    app.connection_options(json!({"disable_signup": true})).await;
    browser.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    assert_eq!(browser.error_shown().as_deref(), Some("email-in-use"));
    assert!(users(&app, "new@example.com").await.is_empty());
    app.connection_options(json!({"disable_signup": false})).await;
    browser.submit(&[("email", "new@example.com")]).await;
    browser.make_key(&mut VirtualKey::new(Model::SYNCED)).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_user_name_is_asked_with_the_address_and_both_are_hers() {
    let app = tenant().await;
    app.connection_options(json!({"requires_username": true})).await;
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    browser.submit(&[("email", "new@example.com"), ("username", "no blanks")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("invalid-username"));
    assert_eq!(browser.attribute("#username", "value").as_deref(), Some("no blanks"));
    browser.submit(&[("email", "new@example.com"), ("username", "newbie")]).await;
    browser.make_key(&mut VirtualKey::new(Model::DEVICE)).await;
    browser.back_with_code();
    assert_eq!(users(&app, "new@example.com").await[0]["username"], "newbie");
}

#[tokio::test]
async fn of_ten_answers_at_once_one_makes_the_account() {
    let app = tenant().await;
    let browser = sign_up(&app, "new@example.com").await;
    let (url, state) = (browser.url.clone(), browser.query("state").unwrap());
    let cookies = browser.cookies().clone();
    let asked = browser.key_options();
    let said: Vec<String> = (0..10)
        .map(|_| VirtualKey::new(Model::SYNCED).create(&asked, ORIGIN, &mut SystemRng).unwrap().to_string())
        .collect();
    let ends = at_once(said.into_iter().map(|said| {
        let (app, url, state, cookies) = (&app, url.clone(), state.clone(), cookies.clone());
        async move {
            let mut tab = app.browser();
            for (name, value) in &cookies {
                tab.plant_cookie(name, value);
            }
            tab.post(&url, &[("state", &state), ("response", &said), ("action", "default")]).await;
            assert!(tab.page.status.as_u16() < 500, "{}", tab.page.body);
            tab.url.starts_with("https://app.example") || tab.query("code").is_some()
        }
    }))
    .await;
    assert_eq!(ends.into_iter().filter(|end| *end).count(), 1);
    assert_eq!(users(&app, "new@example.com").await.len(), 1);
    assert_eq!(logged(&app, "ss").await.len(), 1);
}
