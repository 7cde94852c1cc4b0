//! Logins at several servers on one database: after a restart, and at the same time.

use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::random::SystemRng;
use lockstep_core::time::{Span, Timestamp};
use lockstep_engine::app::{StartError, new_master_keys};
use lockstep_engine::flows::reseal;
use lockstep_engine::store::{authenticators, outbox};
use serde_json::json;

use super::recovery::to_recovery;
use crate::management::{AUDIENCE, admin, machine};
use crate::support::{Browser, Person, Shared, TestApp, at_once};

async fn tenant(shared: &Shared) -> TestApp {
    let app = shared.server().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app
}

/// Logs in as far as a code leads; returns whether it was taken, or why not.
async fn answer(app: &TestApp, person: &Person, code: &str) -> Result<(), String> {
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(person).await.code(code).await;
    taken(&browser)
}

fn taken(browser: &Browser<'_>) -> Result<(), String> {
    assert!(browser.page.status.as_u16() < 500, "{}", browser.page.body);
    if browser.url.starts_with("https://app.example") {
        browser.back_with_code();
        return Ok(());
    }
    Err(browser.error_shown().unwrap_or_else(|| browser.screen()))
}

fn wrong() -> Result<(), String> {
    Err("invalid-code".to_owned())
}

#[tokio::test]
async fn a_restart_with_a_clock_set_back_reopens_no_code() {
    for shared in Shared::each().await {
        shared.clock.set(Timestamp::from_secs(1_234_567_920));
        let app = tenant(&shared).await;
        let ana = app.user_with_totp("ana@example.com").await;
        assert_eq!(answer(&app, &ana, "590587").await, Ok(()));
        app.stop().await;
        shared.clock.set(Timestamp::from_secs(1_234_567_890));
        let app = shared.server().await;
        assert_eq!(answer(&app, &ana, "005924").await, wrong());
        assert_eq!(answer(&app, &ana, "590587").await, wrong());
        shared.clock.set(Timestamp::from_secs(1_234_567_950));
        assert_eq!(answer(&app, &ana, "240500").await, Ok(()));
    }
}

#[tokio::test]
async fn of_twenty_submissions_of_one_code_at_two_servers_one_counts() {
    for shared in Shared::each().await {
        let apps = [tenant(&shared).await, shared.server().await];
        let ana = apps[0].user_with_totp("ana@example.com").await;
        let mut browsers = Vec::new();
        for n in 0..20 {
            let mut browser = apps[n % 2].browser();
            browser.authorize(&[]).await.password(&ana).await;
            browsers.push(browser);
        }
        let code = apps[0].code(&ana);
        let answered = at_once(browsers.iter_mut().map(|b| b.code(&code))).await;
        let won = answered.iter().filter(|browser| taken(browser).is_ok()).count();
        assert_eq!(won, 1);
        let mut conn = apps[1].app.db().read().await.unwrap();
        let held = authenticators::list_of_user(&mut conn, &ana.id).await.unwrap();
        assert_eq!(held[0].last_auth_at, Some(apps[0].now()));
    }
}

#[tokio::test]
async fn wrong_codes_are_counted_through_a_restart() {
    for shared in Shared::each().await {
        let app = tenant(&shared).await;
        let ana = app.user_with_totp("ana@example.com").await;
        for _ in 0..9 {
            assert_eq!(answer(&app, &ana, "000000").await, wrong());
        }
        // Not stopped: what a killed process leaves behind.
        let again = shared.server().await;
        assert_eq!(answer(&again, &ana, "000000").await, wrong());
        assert_eq!(answer(&again, &ana, &again.code(&ana)).await, Err("too-many-failures".to_owned()));
        app.stop().await;
    }
}

#[tokio::test]
async fn ten_wrong_codes_at_once_are_ten() {
    for shared in Shared::each().await {
        let apps = [tenant(&shared).await, shared.server().await];
        let ben = apps[0].user_with_totp("ben@example.com").await;
        let mut browsers = Vec::new();
        for n in 0..10 {
            let mut browser = apps[n % 2].browser();
            browser.authorize(&[]).await.password(&ben).await;
            browsers.push(browser);
        }
        for browser in at_once(browsers.iter_mut().map(|b| b.code("000000"))).await {
            assert_eq!(taken(browser), wrong());
        }
        let right = apps[0].code(&ben);
        assert_eq!(answer(&apps[1], &ben, &right).await, Err("too-many-failures".to_owned()));
    }
}

#[tokio::test]
async fn remembered_browsers_and_recovery_codes_survive_restarts_and_a_new_master_key() {
    for mut shared in Shared::each().await {
        let app = tenant(&shared).await;
        let ana = app.user("ana@example.com").await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        let uri = browser.attribute("a[href^='otpauth:']", "href").unwrap();
        let phone = lockstep_core::factors::totp::device::AuthenticatorApp::scan(&uri).unwrap();
        browser.code(&phone.code_at(app.now())).await;
        let recovery = browser.save_recovery_code().await;
        browser.back_with_code();
        shared.clock.advance(Span::minutes(1));
        let mut jar = app.browser();
        jar.authorize(&[]).await.password(&ana).await;
        jar.submit(&[("code", &phone.code_at(app.now())), ("rememberBrowser", "true")]).await;
        jar.back_with_code();
        let remembered = jar.cookie("__Host-auth0-mf").unwrap().to_owned();
        drop((browser, jar));
        app.stop().await;

        // The same keys, then a new one in front of the old.
        let old = MasterKeys::parse(&shared.keys).unwrap();
        let first = old.current_id().to_owned();
        let rotated = old.rotated(&mut SystemRng).to_text().to_string();
        let mut cookie = remembered;
        for keys in [shared.keys.clone(), rotated] {
            shared.keys = keys;
            let app = shared.server().await;
            shared.clock.advance(Span::hours(1));
            let mut jar = app.browser();
            jar.plant_cookie("__Host-auth0-mf", &cookie);
            jar.authorize(&[]).await.password(&ana).await;
            jar.back_with_code();
            cookie = jar.cookie("__Host-auth0-mf").unwrap().to_owned();
            assert_eq!(answer(&app, &ana, &phone.code_at(app.now())).await, Ok(()), "the seed still opens");
            drop(jar);
            app.stop().await;
        }
        let app = shared.server().await;
        let mut browser = app.browser();
        to_recovery(&mut browser, &ana).await;
        browser.code(&recovery).await;
        assert_eq!(browser.screen(), "mfa-recovery-code-challenge-new-code");
        drop(browser);
        app.stop().await;

        let seed = data_encoding::BASE32_NOPAD.decode(phone.secret().as_bytes()).unwrap();
        let hex = data_encoding::HEXLOWER.encode(&seed);
        let stored = shared.bytes();
        let coded = [
            data_encoding::HEXLOWER.encode(recovery.as_bytes()),
            data_encoding::BASE64.encode(recovery.as_bytes()),
        ];
        let coded = coded.iter().map(String::as_bytes);
        for secret in
            [phone.secret().as_bytes(), &seed, hex.as_bytes(), recovery.as_bytes()].into_iter().chain(coded)
        {
            assert!(!stored.windows(secret.len()).any(|part| part == secret), "a seed or code is readable");
        }

        let other = new_master_keys();
        for keys in [other.to_text().to_string(), other.rotated(&mut SystemRng).to_text().to_string()] {
            let refused = shared.start(&keys).await.err();
            let Some(StartError::WrongMasterKey(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains(&first), "{why} does not name the key {first}");
        }
    }
}

#[tokio::test]
async fn after_sealing_anew_the_older_master_key_is_not_needed_for_anything() {
    for mut shared in Shared::each().await {
        let app = tenant(&shared).await;
        let ana = app.user_with_totp("ana@example.com").await;
        let smtp = json!({"name": "smtp", "credentials": {"smtp_host": "mail.example.org", "smtp_port": 587, "smtp_pass": "p"}});
        let ticket = json!({"user_id": "auth0|ana", "send_mail": true, "allow_multiple_enrollments": true});
        let by_admin = admin(&app).await;
        by_admin.expect(201, "POST", "/emails/provider", Some(smtp)).await;
        by_admin.expect(200, "POST", "/guardian/enrollments/ticket", Some(ticket)).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        let (half, cookies) = (browser.url.clone(), browser.cookies().clone());
        app.stop().await;

        let rotated = MasterKeys::parse(&shared.keys).unwrap().rotated(&mut SystemRng);
        let newest = rotated.to_text().lines().next().unwrap().to_owned();
        shared.keys = rotated.to_text().to_string();
        assert!(shared.start(&newest).await.is_err(), "not yet");
        let app = shared.server().await;
        assert!(reseal::run(app.app.db()).await.unwrap() > 7);
        assert_eq!(reseal::run(app.app.db()).await.unwrap(), 0, "a second time there is nothing to do");
        app.stop().await;

        let app = shared.start(&newest).await.unwrap();
        let mut browser = app.browser();
        for (name, value) in cookies {
            browser.plant_cookie(&name, &value);
        }
        browser.goto(&half).await;
        browser.code(&app.code(&ana)).await;
        app.redeem(&browser.back_with_code()).await;
        let full = machine(&app, "m2m0", AUDIENCE).await;
        assert_eq!(app.json("GET", "/api/v2/emails/provider", Some(&full), None).await.status, 200);
        let mut conn = app.app.db().read().await.unwrap();
        assert_eq!(outbox::list(&mut conn, 10).await.unwrap().len(), 1);
    }
}
