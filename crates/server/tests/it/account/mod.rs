//! The account page, as a person uses it.

mod passkeys;

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::factors::webauthn::device::Model;
use lockstep_core::ids::AuthenticatorId;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::message::MessageKind;
use lockstep_core::random::SystemRng;
use lockstep_core::time::Span;
use lockstep_engine::store::authenticators;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{Browser, Person, Shared, TestApp, at_once};

const SESSION: &str = "__Host-auth0";

async fn tenant(policies: &[&str]) -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "sms", "recovery-code"], policies).await;
    app
}

/// Opens the page and logs in on the way.
async fn at_home<'a>(app: &'a TestApp, person: &Person) -> Browser<'a> {
    let mut browser = app.browser();
    browser.goto("/account").await.password(person).await;
    if browser.screen() == "mfa-otp-challenge" {
        let code = app.code(person);
        browser.code(&code).await;
    }
    assert_eq!(browser.screen(), "account", "{}", browser.page.body);
    browser
}

/// Presses a button of the page.
async fn press(browser: &mut Browser<'_>, path: &str, more: &[(&str, &str)]) {
    let token = browser.attribute("input[name=form_token]", "value").expect("a form");
    let fields = [&[("form_token", token.as_str())], more].concat();
    browser.post(path, &fields).await;
}

fn factors(browser: &Browser<'_>) -> usize {
    browser.page.body.matches("data-method=").count()
}

#[tokio::test]
async fn a_person_without_a_factor_adds_one_and_writes_down_the_recovery_code() {
    let app = tenant(&[]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    assert_eq!(
        browser.url, "https://lockstep.test/account",
        "the code of the login is not left in the address"
    );
    assert_eq!(factors(&browser), 0);
    let before = browser.cookie(SESSION).unwrap().to_owned();
    browser.goto("/account/add").await;
    assert_eq!(browser.screen(), "mfa-begin-enroll-options");
    assert_eq!(browser.attribute(".more a", "href").as_deref(), Some("/account"), "one can give up");
    browser.submit(&[("action", "otp::0")]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
    browser.submit(&[("action", "show-code")]).await;
    let phone = AuthenticatorApp::scan(&browser.attribute("[data-copy]", "data-copy").unwrap()).unwrap();
    browser.code("000000").await;
    assert!(browser.error_shown().is_some());
    let code = phone.code_at(app.now());
    browser.code(&code).await;
    assert_eq!(browser.screen(), "mfa-recovery-code-enrollment", "{}", browser.page.body);
    assert_ne!(browser.cookie(SESSION), Some(before.as_str()), "what is proven more has a new handle");
    let recovery = browser.save_recovery_code().await;
    assert_eq!((browser.screen().as_str(), factors(&browser), recovery.len()), ("account", 1, 24));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("added"));
    // What was enrolled is asked for by the next browser.
    let mut other = app.browser();
    other.goto("/account").await.password(&ana).await;
    assert_eq!(other.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn a_session_without_mfa_does_not_open_the_page_of_somebody_who_has_a_factor() {
    let app = tenant(&[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    browser.goto("/account").await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "no password again, but the second step");
    let code = app.code(&ana);
    browser.code(&code).await;
    assert_eq!((browser.screen().as_str(), factors(&browser)), ("account", 1));
}

#[tokio::test]
async fn a_change_needs_a_fresh_proof_and_leads_back_to_what_was_wanted() {
    let app = tenant(&[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    let id = browser.attribute("[data-method=otp]", "data-id").unwrap();
    app.clock.advance(Span::minutes(16));
    browser.goto("/account").await;
    assert_eq!(browser.screen(), "account", "looking is free");
    press(&mut browser, "/account/rename", &[("id", &id), ("name", "Old phone")]).await;
    assert_eq!(browser.screen(), "login", "the password and the second step again");
    browser.goto(&format!("/account/remove?id={id}")).await.password(&ana).await;
    let code = app.code(&ana);
    browser.code(&code).await;
    assert_eq!(browser.screen(), "account-remove");
    browser.goto("/account").await;
    assert!(!browser.page.body.contains("Old phone"));
    press(&mut browser, "/account/rename", &[("id", &id), ("name", " Old <b>phone ")]).await;
    assert_eq!(browser.text(".thing-name").as_deref(), Some("Old <b>phone"));
    press(&mut browser, "/account/rename", &[("id", &id), ("name", &"x".repeat(101))]).await;
    assert_eq!(browser.page.status, 400);
    assert!(browser.text(".alert").unwrap().contains("too long"));
    press(&mut browser, "/account/remove", &[("id", &id)]).await;
    assert_eq!((browser.screen().as_str(), factors(&browser)), ("account", 0));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("removed"));
}

#[tokio::test]
async fn the_last_factor_stays_while_the_tenant_demands_one() {
    let app = tenant(&["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    let id = browser.attribute("[data-method=otp]", "data-id").unwrap();
    assert_eq!(browser.attribute("a[href^='/account/remove']", "href"), None);
    press(&mut browser, "/account/remove", &[("id", &id)]).await;
    assert_eq!((browser.page.status.as_u16(), factors(&browser)), (400, 1));
    app.mfa(&["otp", "sms"], &[]).await;
    press(&mut browser, "/account/remove", &[("id", &id)]).await;
    assert_eq!(factors(&browser), 0);
}

#[tokio::test]
async fn of_two_last_factors_that_are_removed_at_once_at_two_servers_one_stays() {
    for shared in Shared::each().await {
        let first = shared.server().await.with_apps().await;
        first.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
        let apps = [first, shared.server().await];
        for round in 0..10 {
            let ana = apps[0].user_with_totp(&format!("ana{round}@example.com")).await;
            let mut conn = apps[0].app.db().write().await.unwrap();
            let held = authenticators::list_of_user(&mut conn, &ana.id).await.unwrap().remove(0);
            let other = Authenticator { id: AuthenticatorId::new(&mut SystemRng), ..held };
            authenticators::create(&mut conn, &other).await.unwrap();
            conn.commit().await.unwrap();
            let mut browsers = Vec::new();
            for app in &apps {
                browsers.push(at_home(app, &ana).await);
                app.clock.advance(Span::seconds(31));
            }
            let all = browsers[0].page.body.split("data-method=\"otp\"").skip(1);
            let ids: Vec<String> = all
                .map(|row| row.split("data-id=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
                .collect();
            assert_eq!(ids.len(), 2);
            at_once(browsers.iter_mut().zip(&ids).map(|(browser, id)| async move {
                press(browser, "/account/remove", &[("id", id)]).await;
                assert!(browser.page.status.as_u16() < 500, "{}", browser.page.body);
            }))
            .await;
            let mut conn = apps[0].app.db().read().await.unwrap();
            let left = authenticators::list_of_user(&mut conn, &ana.id).await.unwrap();
            assert_eq!(left.len(), 1, "round {round}, PostgreSQL: {}", shared.is_postgres());
        }
    }
}

#[tokio::test]
async fn a_new_recovery_code_counts_once_it_was_written_down() {
    let app = tenant(&[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    let mut codes = Vec::new();
    for _ in 0..2 {
        browser.goto("/account/recovery-code").await;
        assert_eq!(browser.screen(), "mfa-recovery-code-enrollment");
        codes.push(browser.save_recovery_code().await);
        assert_eq!(browser.screen(), "account");
        app.clock.advance(Span::seconds(1));
    }
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(notice.text.contains("recovery code"), "{}", notice.text);
    for (code, opens) in [(&codes[0], false), (&codes[1], true)] {
        let mut other = app.browser();
        other.goto("/account").await.password(&ana).await;
        other.submit(&[("action", "pick-authenticator")]).await;
        other.submit(&[("action", "recovery-code::1")]).await;
        other.code(code).await;
        assert_eq!(other.screen() == "mfa-recovery-code-challenge-new-code", opens, "{}", other.screen());
    }
}

#[tokio::test]
async fn sessions_and_remembered_browsers_are_seen_and_ended() {
    let app = tenant(&["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let bob = app.user_with_totp("bob@example.com").await;
    let mut elsewhere = app.browser();
    elsewhere.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    elsewhere.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    elsewhere.back_with_code();
    app.clock.advance(Span::minutes(1));
    let mut browser = at_home(&app, &ana).await;
    let sessions: Vec<&str> = browser.page.body.split("aria-labelledby=\"sessions\"").collect();
    assert_eq!(sessions[1].split("aria-labelledby").next().unwrap().matches("data-id=").count(), 2);
    assert!(browser.page.body.contains("Firefox, Linux"));
    let forget = browser.attribute("[aria-labelledby=remembered] [data-id]", "data-id").unwrap();
    press(&mut browser, "/account/browsers/forget", &[("id", &forget)]).await;
    assert_eq!(browser.attribute("[aria-labelledby=remembered]", "class"), None);
    let other = browser.attribute("[aria-labelledby=sessions] [name=id]", "value").unwrap();
    // Somebody else's id finds nothing.
    let mut stranger = at_home(&app, &bob).await;
    press(&mut stranger, "/account/sessions/end", &[("id", &other)]).await;
    elsewhere.goto("/account").await;
    assert_eq!(elsewhere.screen(), "account");
    press(&mut browser, "/account/sessions/end", &[("id", &other)]).await;
    elsewhere.goto("/account").await;
    assert_eq!(elsewhere.screen(), "login");
    elsewhere.password(&ana).await;
    app.clock.advance(Span::seconds(30));
    let code = app.code(&ana);
    elsewhere.code(&code).await;
    assert_eq!(elsewhere.screen(), "account", "it was asked, for it is remembered no more");
    press(&mut browser, "/account/sessions/end-others", &[]).await;
    elsewhere.goto("/account").await;
    assert_eq!((browser.screen().as_str(), elsewhere.screen().as_str()), ("account", "login"));
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let app = tenant(&[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = at_home(&app, &ana).await;
    let id = browser.attribute("[data-method=otp]", "data-id").unwrap();
    for token in ["", "x"] {
        browser.post("/account/remove", &[("form_token", token), ("id", &id)]).await;
        assert_eq!((browser.screen().as_str(), factors(&browser)), ("account", 1));
    }
    let mut stranger = app.browser();
    stranger.post("/account/remove", &[("id", &id)]).await;
    assert_eq!(stranger.screen(), "login");
}

#[tokio::test]
async fn pictures_and_forms_of_another_site_rotate_no_recovery_code() {
    let app = tenant(&[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let made =
        admin(&app).await.expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", None).await;
    let code = made["recovery_code"].as_str().unwrap();
    let mut browser = at_home(&app, &ana).await;
    browser.send_header("sec-fetch-site", "cross-site");
    for path in ["/account", "/account/add", "/account/recovery-code", "/account/remove", "/account/rename"] {
        browser.goto(path).await;
        assert!(browser.page.status.as_u16() < 500, "{path}: {}", browser.page.body);
        let state = browser.query("state").unwrap_or_default();
        browser.post(path, &[("state", &state), ("confirmation", "true"), ("action", "default")]).await;
        assert!(browser.page.status.as_u16() < 500, "{path}: {}", browser.page.body);
    }
    let mut other = app.browser();
    other.goto("/account").await.password(&ana).await;
    other.submit(&[("action", "pick-authenticator")]).await;
    other.submit(&[("action", "recovery-code::1")]).await;
    other.code(code).await;
    assert_eq!(other.screen(), "mfa-recovery-code-challenge-new-code");
}

#[tokio::test]
async fn an_enrolment_belongs_to_its_session() {
    let app = tenant(&[]).await;
    let (ana, bob) = (app.user("ana@example.com").await, app.user("bob@example.com").await);
    let mut browser = at_home(&app, &ana).await;
    browser.goto("/account/add").await.submit(&[("action", "otp::0")]).await;
    let mut stranger = at_home(&app, &bob).await;
    stranger.goto(&browser.url).await;
    assert_eq!(stranger.screen(), "account", "another's enrolment is not there");
    // A login's state opens nothing here, and this one nothing there.
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/mfa-otp-enrollment-qr?state={state}")).await;
    assert_ne!(browser.screen(), "mfa-otp-enrollment-qr");
}

#[tokio::test]
async fn the_pages_own_application_is_in_no_list_and_redeems_nothing() {
    let app = tenant(&[]).await;
    let ana = app.user("ana@example.com").await;
    let admin = admin(&app).await;
    let (_, clients) = admin.call("GET", "/clients?per_page=100", None).await;
    assert!(!clients.to_string().contains("lockstep-account"));
    assert_eq!(admin.call("GET", "/clients/lockstep-account", None).await.0.status, 404);
    let mut browser = app.browser();
    let elsewhere =
        "/authorize?client_id=lockstep-account&response_type=code&redirect_uri=https://evil.example/";
    browser.goto(elsewhere).await;
    assert!(browser.page.status.is_client_error() && browser.url.starts_with("https://lockstep.test/"));
    let answer = app
        .form(
            "/oauth/token",
            &[("grant_type", "authorization_code"), ("client_id", "lockstep-account"), ("code", "x")],
        )
        .await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let _ = at_home(&app, &ana).await;
}

/// The Signal API: a browser that is told of all that is good hides the rest.
#[tokio::test]
async fn the_browser_is_told_which_keys_are_still_good() {
    let app = tenant(&[]).await;
    let told = |browser: &Browser<'_>| {
        let text = browser.attribute("[data-key=accepted]", "data-options")?;
        Some(serde_json::from_str::<Value>(&text).unwrap())
    };
    let ana = app.user("ana@example.com").await;
    let browser = at_home(&app, &ana).await;
    assert_eq!(told(&browser), None, "no key has ever been told who she is");
    app.with_passkey(&ana, Model::SYNCED).await;
    let (second, _) = app.with_key(&ana, Model::DEVICE).await;
    // Somebody else's are not hers.
    let ben = app.user("ben@example.com").await;
    app.with_passkey(&ben, Model::SYNCED).await;
    let mut browser = at_home(&app, &ana).await;
    let listed = told(&browser).unwrap();
    assert_eq!(listed["rpId"], "lockstep.test");
    let ids = listed["allAcceptedCredentialIds"].as_array().unwrap().clone();
    assert!(ids.len() == 2 && ids.contains(&second.data["key_id"]), "second factors are among them");
    let admin = admin(&app).await;
    let path = format!("/users/{}/authentication-methods", ana.id.as_str().replace('|', "%7C"));
    let methods = admin.expect(200, "GET", &path, None).await;
    let one = methods.as_array().unwrap().iter().find(|m| m["type"] == "passkey").unwrap();
    assert!(ids.contains(&one["key_id"]) && one["user_handle"] == listed["userId"]);
    let one = format!("{path}/{}", one["id"].as_str().unwrap().replace('|', "%7C"));
    admin.expect(204, "DELETE", &one, None).await;
    browser.goto("/account").await;
    assert_eq!(told(&browser).unwrap()["allAcceptedCredentialIds"], json!([second.data["key_id"]]));
}
